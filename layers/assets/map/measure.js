/* Measuring by hand: length and area on the ellipsoid (WGS 84), by Karney's geodesics, not on the drawn map. */
"use strict";

plan.measure = (() => {
  const COLOR = "#7a1fa2", METRES_IN_KM = 1000, SQUARE_METRES_IN_HA = 10000, SQUARE_METRES_IN_KM2 = 1e6;
  let on = false, points = [], line, area, dots, pointer, button, box, told;

  function start() {
    button = plan.element("button", { type: "button", class: "plan-tool", "data-word": "measure", "aria-pressed": "false" },
      plan.icon("M3 17L17 3l4 4L7 21zM7 13l2 2M10 10l3 3M13 7l2 2"));
    button.addEventListener("click", () => (on ? stop() : begin()));
    plan.addControl("topleft", plan.element("div", { class: "leaflet-bar plan-bar" }, button));
    plan.map.on("mousemove", plan.throttled((event) => { if (on && points.length) { pointer = event.latlng; draw(); } }));
    plan.map.getContainer().addEventListener("keydown", (event) => {
      if (!on) return;
      if (event.key === "Escape") stop();
      if (event.key === "Enter" && event.target === plan.map.getContainer()) addPoint(plan.map.getCenter());
    });
  }

  function begin() {
    on = true;
    button.setAttribute("aria-pressed", "true");
    plan.map.doubleClickZoom.disable();
    plan.map.getContainer().classList.add("plan-measuring");
    line = L.polyline([], { color: COLOR, weight: 3, interactive: false }).addTo(plan.map);
    area = L.polygon([], { stroke: false, fillColor: COLOR, fillOpacity: 0.12, interactive: false }).addTo(plan.map);
    dots = L.layerGroup().addTo(plan.map);
    told = plan.element("output", { class: "plan-measured", "aria-live": "polite" });
    const { words } = plan;
    const tool = (said, act) => {
      const made = plan.element("button", { type: "button" }, said);
      made.addEventListener("click", act);
      return made;
    };
    box = plan.ownGround(plan.element("div", { class: "plan-measure", role: "group", "aria-label": words.measure }, told,
      plan.element("div", {}, tool(words.measure_middle, () => addPoint(plan.map.getCenter())),
        tool(words.measure_undo, () => { points.pop(); pointer = undefined; draw(); }),
        tool(words.measure_done, stop))));
    plan.map.getContainer().append(box);
    draw();
  }

  function stop() {
    on = false;
    points = [];
    pointer = undefined;
    button.setAttribute("aria-pressed", "false");
    plan.map.getContainer().classList.remove("plan-measuring");
    for (const drawn of [line, area, dots]) drawn.remove();
    box.remove();
    // The click that ended it by its second half must not zoom.
    setTimeout(() => plan.map.doubleClickZoom.enable(), 300);
    button.focus();
  }

  function addPoint(latlng) {
    const last = points[points.length - 1];
    if (last && last.equals(latlng)) return;
    points.push(latlng);
    pointer = undefined;
    draw();
  }

  function draw() {
    const { words } = plan, all = pointer ? [...points, pointer] : points;
    line.setLatLngs(all);
    area.setLatLngs(all.length > 2 ? all : []);
    dots.clearLayers();
    for (const point of points) {
      L.circleMarker(point, { radius: 4, color: COLOR, weight: 2, fillColor: "#fff", fillOpacity: 1, interactive: false })
        .addTo(dots);
    }
    const length = lengthOf(all), square = areaOf(all);
    Object.assign(told.dataset, { lengthM: length.toFixed(3), areaM2: square.toFixed(2) });
    told.textContent = all.length < 2 ? words.measure_hint
      : all.length < 3 ? plan.fill(words.measured_length, { length: saidLength(length) })
        : plan.fill(words.measured_both, { length: saidLength(length), area: saidArea(square) });
  }

  const { WGS84 } = geodesic.Geodesic;

  /** Metres along the geodesics from point to point. */
  function lengthOf(all) {
    let metres = 0;
    for (let i = 1; i < all.length; i += 1) {
      metres += WGS84.Inverse(all[i - 1].lat, all[i - 1].lng, all[i].lat, all[i].lng).s12;
    }
    return metres;
  }

  /** Square metres inside the closed shape. */
  function areaOf(all) {
    const polygon = WGS84.Polygon(false);
    for (const point of all) polygon.AddPoint(point.lat, point.lng);
    return Math.abs(polygon.Compute(false, true).area) || 0;
  }

  const saidLength = (metres) => (metres < METRES_IN_KM ? `${plan.number(metres, 0)} m`
    : `${plan.number(metres / METRES_IN_KM, 2)} km`);
  const saidArea = (square) => (square < SQUARE_METRES_IN_HA ? `${plan.number(square, 0)} m²`
    : square < SQUARE_METRES_IN_KM2 ? `${plan.number(square / SQUARE_METRES_IN_HA, 2)} ha`
      : `${plan.number(square / SQUARE_METRES_IN_KM2, 2)} km²`);

  return { start, addPoint, isOn: () => on, points: () => points };
})();
