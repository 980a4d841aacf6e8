/* Reading the map: names under the pointer, its coordinates, my own place, which way is north. */
"use strict";

plan.reading = (() => {
  const MOST_NAMES = 4, REACH_PX = 4, PLACE_ZOOM = 15;
  let tooltip, readout, accuracy;

  function start() {
    tooltip = L.tooltip({ sticky: true, direction: "top", offset: [0, -8], className: "plan-tooltip" });
    plan.map.on("mousemove", plan.throttled((event) => { nameUnder(event); tellCoordinates(event.latlng); }));
    plan.map.on("mouseout", () => tooltip.remove());
    plan.map.on("click", (event) => tellCoordinates(event.latlng));
    readout = plan.element("div", { class: "plan-coordinates" });
    plan.addControl("bottomright", readout);
    addNorth();
    addMyPlace();
  }

  // ---------------------------------------------------------------- names

  function nameUnder(event) {
    if (!plan.gl.isStyleLoaded()) return;
    const at = plan.gl.project([event.latlng.lng, event.latlng.lat]);
    const box = [[at.x - REACH_PX, at.y - REACH_PX], [at.x + REACH_PX, at.y + REACH_PX]];
    const lines = [];
    for (const feature of plan.gl.queryRenderedFeatures(box)) {
      const line = nameOf(feature);
      if (line && !lines.includes(line)) lines.push(line);
      if (lines.length === MOST_NAMES) break;
    }
    if (!lines.length || plan.measure.isOn()) { tooltip.remove(); return; }
    const content = plan.element("div", {}, ...lines.map((line) => plan.element("div", {}, line)));
    tooltip.setContent(content).setLatLng(event.latlng).addTo(plan.map);
  }

  function nameOf(feature) {
    const p = feature.properties;
    if (feature.source === "proposals") {
      if (p.count > 1) return plan.words.proposals_here.replace("{count}", p.count);
      return p.title || p.receipt || "";
    }
    return p[`name_${plan.language}`] || p.name_ro || "";
  }

  // ---------------------------------------------------------------- coordinates

  function tellCoordinates({ lat, lng }) {
    const [east, north] = plan.stereo70(lng, lat);
    readout.textContent = `${lat.toFixed(5)}, ${lng.toFixed(5)} · Stereo 70: X ${plan.number(north, 0)}  Y ${plan.number(east, 0)}`;
    Object.assign(readout.dataset, { east: east.toFixed(3), north: north.toFixed(3) });
  }

  function addNorth() {
    const { words } = plan;
    const needle = plan.drawing("0 0 24 32", ["path", { d: "M12 3l6 17-6-4-6 4z", fill: "currentColor" }],
      ["text", { x: 12, y: 31, "text-anchor": "middle", "font-size": 10, "font-weight": 700, fill: "currentColor" }, "N"]);
    plan.addControl("bottomleft", plan.element("div",
      { class: "plan-north", role: "img", "aria-label": words.north, title: words.north }, needle));
  }

  // ---------------------------------------------------------------- my place

  function addMyPlace() {
    const button = plan.element("button", { type: "button", class: "plan-tool", "data-word": "my_place" },
      plan.icon("M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v4M12 18v4M2 12h4M18 12h4"));
    button.addEventListener("click", () => {
      if (!navigator.geolocation) { plan.notice(plan.words.no_place, "place"); return; }
      plan.clearNotice("place");
      navigator.geolocation.getCurrentPosition(showMyPlace, () => plan.notice(plan.words.no_place, "place"),
        { enableHighAccuracy: true, timeout: 15000, maximumAge: 60000 });
    });
    plan.addControl("topleft", plan.element("div", { class: "leaflet-bar plan-bar" }, button));
  }

  function showMyPlace({ coords }) {
    const at = L.latLng(coords.latitude, coords.longitude);
    const { west, south, east, north } = plan.config.bounds;
    if (!L.latLngBounds([south, west], [north, east]).contains(at)) { plan.notice(plan.words.place_outside, "place"); return; }
    if (accuracy) accuracy.remove();
    accuracy = L.circle(at, { radius: coords.accuracy, color: "#1f5a88", weight: 1.5, fillOpacity: 0.08, interactive: false })
      .addTo(plan.map);
    plan.map.setView(at, Math.max(plan.map.getZoom(), PLACE_ZOOM), { animate: false });
    plan.map.fire("click", { latlng: at });
  }

  return { start };
})();
