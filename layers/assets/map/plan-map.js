/* The plan on a Leaflet map: MapLibre draws vector tiles, our own parts stand around it, the page says what to mark.
 *
 * Everything that people wrote arrives as tile properties and is set as text, never as HTML.
 * The page hands over configuration as base64 of JSON, so nothing needs escaping on the way.
 */
"use strict";

window.masterplan = (() => {
  const PROPOSAL_ZOOM = 22;
  const LAST_CLICK_MS = 250;
  const BASEMAP = "basemap";
  const { element, unpack } = plan;
  let map, gl, words, marker, outline, state = {};

  // ---------------------------------------------------------------- start

  /** The map as it is mounted, once: all languages' words, and what does not change. */
  function start(leafletMap, packed) {
    map = plan.map = leafletMap;
    plan.config = unpack(packed);
    keepSizeWhileHidden();
  }

  /** While the page is drawn anew its frames may have no size for a moment: a map that followed would have jumped after. */
  function keepSizeWhileHidden() {
    const { invalidateSize } = map, box = map.getContainer();
    map.invalidateSize = function (...given) {
      return box.clientWidth && box.clientHeight ? invalidateSize.apply(this, given) : this;
    };
  }

  /** The rest of the start, once the page has said its language. */
  async function open() {
    speak();
    const style = await chosenStyle();
    if (!style) {
      notice(words.tiles_failed);
      map.once("moveend", open);
      return;
    }
    clearNotice();
    try {
      drawPlan(plan.style.prepared(style));
    } catch (failure) {
      notice(words.no_webgl);
      return;
    }
    map.getContainer().dataset.ground = plan.choices.now.ground;
    L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);
    plan.search.start();
    plan.reading.start();
    plan.measure.start();
    nameTools();
    plan.panel.add();
    markClicks();
    map.on("moveend", () => {
      if (!isLaidOut()) return;
      const { lat, lng } = map.getCenter();
      plan.choices.look({ zoom: map.getZoom(), lat, lon: lng });
    });
  }

  /** The style in the language and on the ground that were chosen; nothing when the server does not answer. */
  async function chosenStyle() {
    try {
      const style = await plan.fetchJson(`/map/style.json?lang=${plan.language}`);
      const { view, ground } = plan.choices.begin(style.metadata, chosen);
      if (view) map.setView([view.lat, view.lon], view.zoom, { animate: false });
      return ground === style.metadata.theme ? style : await plan.fetchJson(plan.style.address());
    } catch {
      return null;
    }
  }

  /** The reader chose something: the map and the panel follow, and nothing is mounted anew. */
  function chosen(what) {
    const { now } = plan.choices;
    if (what === "address" && now.view) map.setView([now.view.lat, now.view.lon], now.view.zoom, { animate: false });
    if (map.getContainer().dataset.ground !== now.ground) {
      map.getContainer().dataset.ground = now.ground;
      whenDrawn(plan.style.restyle);
      plan.panel.speakAnew();
    }
    whenDrawn(() => {
      plan.style.apply(what);
      showProposals();
    });
    plan.panel.refresh();
  }

  /** Say everything in the page's language. */
  function speak() {
    if (words) map.attributionControl.removeAttribution(words.attribution);
    plan.language = state.language;
    words = plan.words = plan.config.strings[plan.language];
    document.documentElement.lang = plan.language;
    nameContainer();
    translateEditor(words);
  }

  /** Another language: the map stays as it is, its words change. */
  function speakAnew() {
    speak();
    if (!gl) return;
    plan.panel.speakAnew();
    plan.search.speak();
    nameTools();
    whenDrawn(plan.style.restyle);
  }

  /** Ring the clicked place at once; the page says the same a moment later. */
  function markClicks() {
    let drawing = false;
    map.on("draw:drawstart draw:editstart draw:deletestart", () => { drawing = true; });
    // The click that ends a drawing reaches the map after the drawing has stopped: it belongs to the drawing.
    map.on("draw:drawstop draw:editstop draw:deletestop", () => {
      setTimeout(() => { drawing = false; }, LAST_CLICK_MS);
    });
    // A click that sets a point of a drawing or of a measurement asks nothing else: neither here nor on the page.
    const fire = map.fire;
    map.fire = function (type, event, ...rest) {
      if (type === "click" && drawing) return this;
      if (type === "click" && plan.measure.isOn() && !event.found) { plan.measure.addPoint(event.latlng); return this; }
      return fire.call(this, type, event, ...rest);
    };
    map.on("click", (event) => {
      state.mark = [event.latlng.lng, event.latlng.lat];
      placeMark();
      if (plan.choices.now.preset === "radials" && !event.found) chooseUatAt(event.latlng);
    });
  }

  /** The UAT whose prospective radial was clicked, or in which the click lies. */
  function chooseUatAt(latlng) {
    const at = gl.project([latlng.lng, latlng.lat]), reach = 6;
    const near = gl.queryRenderedFeatures([[at.x - reach, at.y - reach], [at.x + reach, at.y + reach]]);
    const radial = near.find((feature) => feature.sourceLayer === "prospective_radials");
    const uat = near.find((feature) => feature.sourceLayer === "uat");
    const code = radial ? radial.properties.origin_uat : uat && uat.properties.siruta;
    if (code) plan.choices.chooseUat(String(code));
  }

  function nameContainer() {
    const container = map.getContainer();
    container.setAttribute("role", "application");
    container.setAttribute("aria-label", words.map_label);
    const zoom = container.querySelector(".leaflet-control-zoom");
    for (const [selector, name] of [[".leaflet-control-zoom-in", words.zoom_in],
                                     [".leaflet-control-zoom-out", words.zoom_out]]) {
      const button = zoom && zoom.querySelector(selector);
      if (button) { button.title = name; button.setAttribute("aria-label", name); }
    }
    map.attributionControl.setPrefix(false);
    map.attributionControl.addAttribution(words.attribution);
  }

  /** Buttons that show a drawing say their word to a pointer that rests and to a screen reader. */
  function nameTools() {
    for (const button of map.getContainer().querySelectorAll("[data-word]")) {
      button.title = words[button.dataset.word];
      button.setAttribute("aria-label", words[button.dataset.word]);
    }
  }

  function drawPlan(style) {
    const layer = L.maplibreGL({
      style,
      interactive: false,
      attributionControl: false,
      fadeDuration: 0,
      padding: 0.05,
      transformRequest: (url) => ({ url: new URL(url, location.origin).href, credentials: "same-origin" }),
    });
    layer.addTo(map);
    gl = plan.gl = layer.getMaplibreMap();
    gl.on("styleimagemissing", ({ id }) => plan.style.drawMissing(id));
    gl.once("load", () => {
      addProposals();
      map.getContainer().dataset.plan = "loaded";
    });
    gl.on("idle", () => { map.getContainer().dataset.plan = "idle"; clearNotice(); });
    gl.on("error", (event) => {
      // A tile that is cut off by moving on is no fault.
      if (event.error && event.error.name === "AbortError") return;
      // A tile that failed is the last word on it: only another frame notices that nothing is waited for.
      gl.triggerRepaint();
      if (event.sourceId === BASEMAP) { notice(words.basemap_failed, BASEMAP); return; }
      console.error("map:", event.error && event.error.message);
      notice(words.tiles_failed);
    });
  }

  const whenDrawn = plan.whenDrawn = (act) => (map.getContainer().dataset.plan ? act() : gl.once("load", act));

  plan.showBackdrop = (backdrop, shown) => {
    const there = Boolean(gl.getLayer(backdrop.id));
    if (there === shown) return;
    const credit = element("span", {}, backdrop.attribution).innerHTML;
    if (there) {
      gl.removeLayer(backdrop.id);
      gl.removeSource(backdrop.id);
      map.attributionControl.removeAttribution(credit);
      clearNotice(backdrop.id);
      return;
    }
    const source = { type: "raster", tiles: [backdrop.tiles], tileSize: 256, maxzoom: backdrop.maxzoom ?? 19 };
    if (backdrop.bounds) source.bounds = backdrop.bounds;
    gl.addSource(backdrop.id, source);
    const above = gl.getStyle().layers.find((layer) => layer.id !== "background" && layer.type !== "raster");
    gl.addLayer({ id: backdrop.id, type: "raster", source: backdrop.id }, above && above.id);
    if (backdrop.attribution) map.attributionControl.addAttribution(credit);
  };

  function translateEditor(strings) {
    if (!L.drawLocal) return;
    const draw = L.drawLocal.draw, edit = L.drawLocal.edit;
    Object.assign(draw.toolbar.buttons, { polyline: strings.draw_line, polygon: strings.draw_area });
    Object.assign(draw.toolbar.actions, { title: strings.cancel, text: strings.cancel });
    Object.assign(draw.toolbar.finish, { title: strings.finish, text: strings.finish });
    Object.assign(draw.toolbar.undo, { title: strings.undo_point, text: strings.undo_point });
    Object.assign(draw.handlers.polyline.tooltip, {
      start: strings.draw_start, cont: strings.draw_continue, end: strings.draw_end_line });
    draw.handlers.polyline.error = strings.edges_cross;
    Object.assign(draw.handlers.polygon.tooltip, {
      start: strings.draw_start, cont: strings.draw_continue, end: strings.draw_end_area });
    Object.assign(edit.toolbar.buttons, {
      edit: strings.edit, editDisabled: strings.nothing_drawn,
      remove: strings.remove, removeDisabled: strings.nothing_drawn });
    Object.assign(edit.toolbar.actions.save, { title: strings.save, text: strings.save });
    Object.assign(edit.toolbar.actions.cancel, { title: strings.cancel, text: strings.cancel });
    Object.assign(edit.toolbar.actions.clearAll, { title: strings.remove_all, text: strings.remove_all });
    Object.assign(edit.handlers.edit.tooltip, { text: strings.edit_hint, subtext: "" });
    edit.handlers.remove.tooltip.text = strings.remove_hint;
    for (const [name, title] of [["draw-polyline", strings.draw_line], ["draw-polygon", strings.draw_area],
                                 ["edit-edit", strings.edit], ["edit-remove", strings.remove]]) {
      const button = map.getContainer().querySelector(`.leaflet-draw-${name}`);
      if (button) { button.title = title; button.setAttribute("aria-label", title); }
    }
  }

  // ---------------------------------------------------------------- notices

  let noticeBox;
  /** Say something over the map until `clearNotice(about)`; a new notice takes the place of the old. */
  function notice(words, about = "tiles") {
    if (!noticeBox) {
      noticeBox = element("div", { class: "plan-notice", role: "status" });
      map.getContainer().append(noticeBox);
    }
    noticeBox.textContent = words;
    noticeBox.dataset.about = about;
  }
  function clearNotice(about = "tiles") {
    if (noticeBox && noticeBox.dataset.about === about) { noticeBox.remove(); noticeBox = undefined; }
  }

  plan.notice = notice;
  plan.clearNotice = clearNotice;

  // ---------------------------------------------------------------- what people brought

  const ACCENT = "#0f5c5c";

  function addProposals() {
    gl.addSource("proposals", { type: "vector", tiles: [tiles()], minzoom: 0, maxzoom: PROPOSAL_ZOOM });
    // Below the names of places, which stay readable.
    const firstName = gl.getLayersOrder().find(plan.style.isName);
    const entry = (id, type, filter, content) => gl.addLayer({
      id: `proposals-${id}`, type, metadata: { layer: "proposals" }, source: "proposals", "source-layer": "proposals",
      filter, ...content, layout: { visibility: visibility(), ...content.layout } }, firstName);
    const isOne = ["<=", ["coalesce", ["get", "count"], 1], 1];
    const kind = (yes, no) => ["case", ["==", ["get", "kind"], "proposal"], yes, no];
    entry("area", "fill", ["==", ["geometry-type"], "Polygon"],
      { paint: { "fill-color": ACCENT, "fill-opacity": 0.18 } });
    entry("line", "line", ["in", ["geometry-type"], ["literal", ["Polygon", "LineString"]]],
      { paint: { "line-color": ACCENT, "line-width": 2.2 } });
    entry("many", "circle", ["all", ["==", ["geometry-type"], "Point"], ["!", isOne]],
      { paint: { "circle-color": ACCENT, "circle-opacity": 0.88, "circle-stroke-color": "#fff", "circle-stroke-width": 1.5,
        "circle-radius": ["interpolate", ["linear"], ["log10", ["max", ["get", "count"], 1]], 0, 7, 1, 11, 2, 14, 4, 20] } });
    entry("count", "symbol", ["all", ["==", ["geometry-type"], "Point"], ["!", isOne]],
      { layout: { "text-field": ["to-string", ["get", "count"]], "text-size": 11, "text-allow-overlap": true,
        "text-font": ["DejaVu Sans", "sans-serif"] }, paint: { "text-color": "#fff" } });
    entry("one", "circle", ["all", ["==", ["geometry-type"], "Point"], isOne],
      { paint: { "circle-radius": 6, "circle-color": kind(ACCENT, "#ffffff"),
        "circle-stroke-color": kind("#ffffff", ACCENT), "circle-stroke-width": 2.4 } });
  }

  const tiles = () => new URL(state.proposals, location.origin).href
    .replace("%7Bz%7D", "{z}").replace("%7Bx%7D", "{x}").replace("%7By%7D", "{y}");

  const visibility = () => (plan.choices.now.hidden.has("proposals") ? "none" : "visible");

  function showProposals() {
    for (const id of gl.getLayersOrder().filter((each) => each.startsWith("proposals-"))) {
      if (gl.getLayoutProperty(id, "visibility") !== visibility()) gl.setLayoutProperty(id, "visibility", visibility());
    }
  }

  // ---------------------------------------------------------------- what the page says

  /** Called by the page whenever its state changes: which proposals, where the mark, which outline. */
  function update(packed) {
    const before = state;
    state = unpack(packed);
    if (!before.language) open();
    else if (before.language !== state.language) speakAnew();
    const source = gl && gl.getSource("proposals");
    if (source && before.proposals !== state.proposals) source.setTiles([tiles()]);
    if (plan.choices.now) plan.choices.tellAddress();
    if (JSON.stringify(before.mark) !== JSON.stringify(state.mark)) placeMark();
    if (JSON.stringify(before.outline) !== JSON.stringify(state.outline)) placeOutline();
    if (state.clear_drawings && state.clear_drawings !== before.clear_drawings && window.drawnItems.clearLayers) {
      window.drawnItems.clearLayers();
      // The component tells the page what is still drawn: nothing.
      map.fire("draw:deleted", { layers: L.layerGroup() });
    }
  }

  function placeMark() {
    if (marker) { marker.remove(); marker = undefined; }
    if (!state.mark) return;
    const [lon, lat] = state.mark;
    marker = L.circleMarker([lat, lon], { radius: 10, color: "#b3261e", weight: 3, fill: false, interactive: false,
      className: "plan-mark" }).addTo(map);
    if (isLaidOut() && !map.getBounds().contains([lat, lon])) map.panTo([lat, lon], { animate: false });
  }

  /** A map that never had a size holds no place, and its middle is a corner. */
  function isLaidOut() {
    const { x, y } = map.getSize();
    return x > 0 && y > 0;
  }

  function placeOutline() {
    if (outline) { outline.remove(); outline = undefined; }
    if (!state.outline) return;
    outline = L.geoJSON(state.outline, { interactive: false,
      style: { color: "#b3261e", weight: 3, dashArray: "6 4", fillOpacity: 0.06 },
      pointToLayer: (_, at) => L.circleMarker(at, { radius: 10, color: "#b3261e", weight: 3, fill: false, interactive: false }),
    }).addTo(map);
    const bounds = outline.getBounds();
    if (!map.getBounds().contains(bounds)) map.fitBounds(bounds, { maxZoom: 15, padding: [40, 40], animate: false });
  }

  return { start, update };
})();
