/* The plan on a Leaflet map: MapLibre draws vector tiles, a panel switches layers, hovering names things.
 *
 * Everything that people wrote arrives as tile properties and is set as text, never as HTML.
 * The page hands over configuration as base64 of JSON, so nothing needs escaping on the way.
 */
"use strict";

window.masterplan = (() => {
  const VISIBLE_KEY = "masterplan.visible";
  const PROPOSAL_ZOOM = 22;
  const LAST_CLICK_MS = 250;
  const BASEMAP = "basemap", PROPOSALS = "proposals";
  let map, gl, config, language, words, panel, tooltip, marker, outline, state = {};

  const unpack = (packed) =>
    JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0))));

  /** An element with text, attributes and children; never HTML. */
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  // ---------------------------------------------------------------- start

  /** The map as it is mounted, once: all languages' words, and what does not change. */
  function start(leafletMap, packed) {
    map = leafletMap;
    config = unpack(packed);
  }

  /** The rest of the start, once the page has said its language. */
  function open() {
    speak();
    L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);
    try {
      drawPlan();
    } catch (failure) {
      notice(words.no_webgl);
      return;
    }
    tooltip = L.tooltip({ sticky: true, direction: "top", offset: [0, -8], className: "plan-tooltip" });
    map.on("mousemove", throttled(nameUnderPointer));
    map.on("mouseout", () => tooltip.remove());
    addPanel();
    markClicks();
  }

  /** Say everything in the page's language. */
  function speak() {
    if (words) map.attributionControl.removeAttribution(words.attribution);
    language = state.language;
    words = config.strings[language];
    document.documentElement.lang = language;
    nameContainer();
    translateEditor(words);
  }

  /** Another language: the map stays as it is, its words change. */
  function speakAnew() {
    speak();
    panel.remove();
    addPanel();
    for (const entry of gl.getStyle().layers) {
      const field = entry.type === "symbol" && entry.layout && entry.layout["text-field"];
      if (Array.isArray(field) && String(field[1]).startsWith("name_")) {
        gl.setLayoutProperty(entry.id, "text-field", ["get", `name_${language}`]);
      }
    }
  }

  /** Ring the clicked place at once; the page says the same a moment later. */
  function markClicks() {
    let drawing = false;
    map.on("draw:drawstart draw:editstart draw:deletestart", () => { drawing = true; });
    // The click that ends a drawing reaches the map after the drawing has stopped: it belongs to the drawing.
    map.on("draw:drawstop draw:editstop draw:deletestop", () => {
      setTimeout(() => { drawing = false; }, LAST_CLICK_MS);
    });
    // A click that sets a point of a drawing asks nothing else: neither here nor on the page.
    const fire = map.fire;
    map.fire = function (type, ...rest) {
      return type === "click" && drawing ? this : fire.call(this, type, ...rest);
    };
    map.on("click", (event) => {
      state.mark = [event.latlng.lng, event.latlng.lat];
      placeMark();
    });
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

  function drawPlan() {
    const layer = L.maplibreGL({
      style: `/map/style.json?lang=${language}`,
      interactive: false,
      attributionControl: false,
      fadeDuration: 0,
      padding: 0.05,
      transformRequest: (url) => ({ url: new URL(url, location.origin).href, credentials: "same-origin" }),
    });
    layer.addTo(map);
    gl = layer.getMaplibreMap();
    gl.once("load", () => {
      restoreVisible();
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

  // ---------------------------------------------------------------- naming things

  function throttled(act) {
    let waiting = null;
    return (event) => {
      if (waiting) { waiting = event; return; }
      waiting = event;
      requestAnimationFrame(() => { const last = waiting; waiting = null; act(last); });
    };
  }

  function nameUnderPointer(event) {
    if (!gl.isStyleLoaded()) return;
    const at = glPoint(event.latlng), reach = 4;
    const box = [[at.x - reach, at.y - reach], [at.x + reach, at.y + reach]];
    const lines = [];
    for (const feature of gl.queryRenderedFeatures(box)) {
      const line = nameOf(feature);
      if (line && !lines.includes(line)) lines.push(line);
      if (lines.length === 4) break;
    }
    if (!lines.length) { tooltip.remove(); return; }
    const content = element("div", {}, ...lines.map((line) => element("div", {}, line)));
    tooltip.setContent(content).setLatLng(event.latlng).addTo(map);
  }

  function glPoint(latlng) {
    return gl.project([latlng.lng, latlng.lat]);
  }

  function nameOf(feature) {
    const p = feature.properties;
    if (feature.source === "proposals") {
      if (p.count > 1) return words.proposals_here.replace("{count}", p.count);
      return p.title || p.receipt || "";
    }
    return p[`name_${language}`] || p.name_ro || "";
  }

  // ---------------------------------------------------------------- layers on and off

  const remembered = () => {
    try { return JSON.parse(sessionStorage.getItem(VISIBLE_KEY)); } catch { return null; }
  };

  function restoreVisible() {
    for (const [layer, shown] of Object.entries(remembered() || {})) show(layer, shown);
  }

  function show(layer, shown) {
    for (const entry of gl.getStyle().layers) {
      if (entry.metadata && entry.metadata.layer === layer) {
        gl.setLayoutProperty(entry.id, "visibility", shown ? "visible" : "none");
      }
    }
  }

  function remember(layer, shown) {
    sessionStorage.setItem(VISIBLE_KEY, JSON.stringify({ ...(remembered() || {}), [layer]: shown }));
  }

  function addPanel() {
    const Panel = L.Control.extend({
      options: { position: "topright" },
      onAdd() {
        const wide = map.getSize().x >= 720;
        const body = element("div", { class: "plan-panel-body", id: "plan-panel-body" });
        const button = element("button", {
          type: "button", class: "plan-panel-button", "aria-controls": "plan-panel-body",
          "aria-expanded": String(wide) }, words.layers);
        body.hidden = !wide;
        button.addEventListener("click", () => {
          body.hidden = !body.hidden;
          button.setAttribute("aria-expanded", String(!body.hidden));
        });
        const section = element("section", { class: "plan-panel leaflet-bar", "aria-label": words.layers }, button, body);
        L.DomEvent.disableClickPropagation(section);
        L.DomEvent.disableScrollPropagation(section);
        fillPanel(body);
        return section;
      },
    });
    panel = new Panel().addTo(map);
  }

  async function fillPanel(body) {
    try {
      const answer = await fetch(`/map/panel.json?lang=${language}`, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      const content = await answer.json();
      const known = remembered() || {};
      body.append(element("p", { class: "plan-indicative" }, words.indicative));
      body.append(proposalSection(known));
      body.append(...content.groups.map((group) => groupSection(group, known)));
      if (content.backdrops.length) body.append(backdropSection(content.backdrops, known));
      map.getContainer().dataset.panel = "ready";
    } catch {
      body.append(element("p", {}, words.panel_failed));
    }
  }

  function groupSection(group, known) {
    const shownAny = group.layers.some((layer) => known[layer.id] ?? layer.visible);
    return element("details", { open: shownAny },
      element("summary", {}, group.name),
      ...group.layers.map((layer) => layerRow(layer, known[layer.id] ?? layer.visible)));
  }

  function layerRow(layer, shown) {
    const box = element("input", { type: "checkbox", id: `layer-${layer.id}` });
    box.checked = shown;
    const legend = element("ul", { class: "plan-legend" }, ...layer.legend.map(legendRow));
    legend.hidden = !shown;
    box.addEventListener("change", () => {
      show(layer.id, box.checked);
      remember(layer.id, box.checked);
      legend.hidden = !box.checked;
    });
    const about = element("details", { class: "plan-about" },
      element("summary", { "aria-label": `${words.about_layer}: ${layer.name}` }, "i"),
      element("p", {}, layer.description),
      element("p", {}, layer.facts.join(" · ")),
      element("p", {}, layer.source),
      element("p", {}, element("a", { href: layer.data, download: true }, "GeoJSON")));
    return element("div", { class: "plan-layer" },
      element("div", { class: "plan-layer-head" },
        box, element("label", { for: `layer-${layer.id}` }, layer.name), about),
      legend);
  }

  /** What people brought: a ring is an observation, a disc a project proposal, a number several at a place. */
  function proposalSection(known) {
    const box = element("input", { type: "checkbox", id: `layer-${PROPOSALS}` });
    box.checked = known[PROPOSALS] ?? true;
    box.addEventListener("change", () => { show(PROPOSALS, box.checked); remember(PROPOSALS, box.checked); });
    const row = (mark, words) => legendRow({ mark, color: ACCENT, text: words });
    return element("div", { class: "plan-layer" },
      element("div", { class: "plan-layer-head" }, box, element("label", { for: box.id }, words.proposals)),
      element("ul", { class: "plan-legend" }, row("ring", words.observation),
        row("circle", words.proposal), row("number", words.several)));
  }

  /** Raster pictures under the plan: their tiles are asked for only once switched on. */
  function backdropSection(backdrops, known) {
    return element("details", { open: true }, element("summary", {}, words.backdrops),
      ...backdrops.map((backdrop) => {
        const box = element("input", { type: "checkbox", id: `layer-${backdrop.id}` });
        box.checked = known[backdrop.id] ?? backdrop.visible;
        const apply = () => whenDrawn(() => showBackdrop(backdrop, box.checked));
        box.addEventListener("change", () => { remember(backdrop.id, box.checked); apply(); });
        if (box.checked) apply();
        return element("div", { class: "plan-layer" }, element("div", { class: "plan-layer-head" },
          box, element("label", { for: box.id }, backdrop.name)));
      }));
  }

  const whenDrawn = (act) => (map.getContainer().dataset.plan ? act() : gl.once("load", act));

  function showBackdrop(backdrop, shown) {
    if (gl.getLayer(backdrop.id)) { gl.removeLayer(backdrop.id); gl.removeSource(backdrop.id); }
    const credit = element("span", {}, backdrop.attribution).innerHTML;
    map.attributionControl.removeAttribution(credit);
    clearNotice(backdrop.id);
    if (!shown) return;
    const source = { type: "raster", tiles: [backdrop.tiles], tileSize: 256, maxzoom: backdrop.maxzoom ?? 19 };
    if (backdrop.bounds) source.bounds = backdrop.bounds;
    gl.addSource(backdrop.id, source);
    const above = gl.getStyle().layers.find((layer) => layer.id !== "background" && layer.type !== "raster");
    gl.addLayer({ id: backdrop.id, type: "raster", source: backdrop.id }, above && above.id);
    if (backdrop.attribution) map.attributionControl.addAttribution(credit);
  }

  function legendRow(row) {
    return element("li", {}, swatch(row), element("span", {}, row.text));
  }

  /** A small drawing of a mark: an area, a line with its dash, a point or an arrow. */
  function swatch(row) {
    const ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", "0 0 28 14");
    svg.setAttribute("aria-hidden", "true");
    const shape = (name, attributes) => {
      const made = document.createElementNS(ns, name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      svg.append(made);
    };
    const dash = row.dash ? row.dash.map((d) => d * 2).join(" ") : "none";
    if (row.mark === "line" || row.mark === "boundary") {
      shape("line", { x1: 1, y1: 7, x2: 27, y2: 7, stroke: row.color, "stroke-width": Math.min(row.width, 3),
        "stroke-dasharray": row.mark === "boundary" ? "6 2 1 2" : dash });
    } else if (row.mark === "circle") {
      shape("circle", { cx: 14, cy: 7, r: 4, fill: row.color, stroke: "#fff" });
    } else if (row.mark === "ring") {
      shape("circle", { cx: 14, cy: 7, r: 4.5, fill: "#fff", stroke: row.color, "stroke-width": 2.2 });
    } else if (row.mark === "number") {
      shape("circle", { cx: 14, cy: 7, r: 6.5, fill: row.color });
      shape("text", { x: 14, y: 10.4, fill: "#fff", "font-size": 9, "text-anchor": "middle" });
      svg.lastChild.textContent = "5";
    } else if (row.mark === "arrow") {
      shape("path", { d: "M14 1v11M10 8l4 4 4-4", fill: "none", stroke: row.color, "stroke-width": 1.6 });
    } else {
      shape("rect", { x: 2, y: 1.5, width: 24, height: 11, fill: row.color, "fill-opacity": Math.max(row.opacity, 0.45),
        stroke: row.color, "stroke-dasharray": dash });
    }
    return svg;
  }

  // ---------------------------------------------------------------- what people brought

  const ACCENT = "#0f5c5c";

  function addProposals() {
    gl.addSource("proposals", { type: "vector", tiles: [tiles()], minzoom: 0, maxzoom: PROPOSAL_ZOOM });
    // Below the names of places, which stay readable.
    const firstLabel = (gl.getStyle().layers.find((layer) => layer.type === "symbol") || {}).id;
    const visibility = (remembered() || {})[PROPOSALS] === false ? "none" : "visible";
    const entry = (id, type, filter, content) => gl.addLayer({
      id: `proposals-${id}`, type, metadata: { layer: PROPOSALS }, source: "proposals", "source-layer": "proposals", filter, ...content,
      layout: { visibility, ...content.layout } }, firstLabel);
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

  // ---------------------------------------------------------------- what the page says

  /** Called by the page whenever its state changes: which proposals, where the mark, which outline. */
  function update(packed) {
    const before = state;
    state = unpack(packed);
    if (!before.language) open();
    else if (before.language !== state.language && gl) speakAnew();
    const source = gl && gl.getSource("proposals");
    if (source && before.proposals !== state.proposals) source.setTiles([tiles()]);
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
    if (!map.getBounds().contains([lat, lon])) map.panTo([lat, lon], { animate: false });
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
