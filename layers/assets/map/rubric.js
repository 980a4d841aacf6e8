/* How what is being drawn stands against the criteria, worked out while it is drawn; and what a criterion measured.
 *
 * It listens to the editor's own events (leaflet-draw 1.0.4 tells of each point set and each point dragged), asks the
 * address that the page handed over, and writes the answer beside the drawing. Neither the map nor the page is touched.
 * All that arrives is set as text, never as HTML. An answer to an older question never replaces that of a newer one.
 */
"use strict";

window.masterplanRubric = (() => {
  const OPEN_KEY = "masterplan.rubric.open", THEME_KEY = "masterplan.rubric.theme";
  /** Between two questions while a point is dragged; so many may be under way; and when it is tried again. */
  const EVERY_MS = 150, AT_ONCE = 2, AGAIN_MS = 4000, MOST_AGAIN = 5;
  /** What is said aloud waits until the hand rests. */
  const SAY_AFTER_MS = 900;
  /** A map of this width has room beside the open panel; below the other one it covers most of the map. */
  const ROOMY_PX = 900, NARROW_PX = 560;
  /** Of the open results; and what stands above and below them in the same corners. */
  const LOWEST_PX = 150, HIGHEST_PX = 360, AROUND_PX = 175;
  const USUAL_THEME = { LineString: "mobility", Polygon: "development", Point: "public_space" };
  const MARKS = { fail: "✕", person: "?", not_assessed: "–", note: "i", pass: "✓" };

  let map, state = {}, panel, parts, words = {}, themes = [], language;
  let geometry = null, drawing = null, edited = null, created = false;
  let sequence = 0, shown = 0, timer = null, askedAt = 0, failures = 0, waiting = false, sayTimer;
  const flights = new Map();
  let chosen = null, picture = null, pictureSequence = 0, pictureShown = 0;

  const { element, unpack } = plan;

  const kept = (key) => { try { return sessionStorage.getItem(key); } catch { return null; } };
  const keep = (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* it is asked again next time */ } };

  // ---------------------------------------------------------------- what the page says

  /** Called by the page whenever its state changes: where to ask, which place is marked, which evidence to draw. */
  function update(leafletMap, packed) {
    const before = state;
    state = unpack(packed);
    if (!map) {
      map = leafletMap;
      map.createPane("evidence").style.zIndex = 460;
      listen();
    }
    if (state.language !== language || (state.rubric && !before.rubric)) speak();
    if (!state.rubric && before.rubric) leave();
    else if (state.clear_drawings !== before.clear_drawings && before.clear_drawings) look(null);
    else if (JSON.stringify(state.mark) !== JSON.stringify(before.mark) || !before.rubric) lookAtMark();
    if (state.evidence !== before.evidence) drawStored();
  }

  /** Nothing is judged any more: what was drawn has been submitted, and the page says how it stands. */
  function leave() {
    geometry = chosen = null;
    forget();
    close();
  }

  function lookAtMark() {
    if (state.mark) { if (!isAt(state.mark)) look({ type: "Point", coordinates: state.mark }); }
    else if (geometry && geometry.type === "Point") look(null);
  }

  /** Whether this place is judged already: the page answers each click with the same place, reckoned once more. */
  const isAt = (place) => geometry && geometry.type === "Point"
    && geometry.coordinates.every((degrees, axis) => Math.abs(degrees - place[axis]) < 1e-9);

  async function speak() {
    const spoken = language === state.language && Object.keys(words).length;
    language = state.language;
    if (!state.rubric || spoken) return;
    try {
      const answer = await fetch(`/rubric/words.json?lang=${language}`, { credentials: "same-origin" });
      if (!answer.ok) return;
      ({ words, themes } = await answer.json());
    } catch { return; }
    if (panel) { panel.remove(); panel = parts = undefined; }
    if (geometry) { open(); ask(); }
  }

  // ---------------------------------------------------------------- what the hand does

  function listen() {
    map.on("click", (event) => look({ type: "Point", coordinates: [event.latlng.lng, event.latlng.lat] }));
    map.on("draw:drawstart", (event) => { drawing = event.layerType; created = false; look(null); });
    map.on("draw:drawvertex", (event) => look(unfinished(event.layers)));
    map.on("draw:created", (event) => { created = true; look(event.layer.toGeoJSON().geometry); });
    map.on("draw:drawstop", () => { drawing = null; if (created) open(); else look(last()); });
    map.on("draw:editstart", () => { edited = null; eachDrawn((layer) => layer.on("editdrag", dragged)); });
    map.on("draw:editvertex", (event) => { edited = event.poly; look(edited.toGeoJSON().geometry); });
    map.on("draw:editstop", () => {
      eachDrawn((layer) => layer.off("editdrag", dragged));
      // Kept or taken back: what is there now counts.
      if (edited) look(edited.toGeoJSON().geometry);
    });
    map.on("draw:deleted", () => look(last()));
  }

  function dragged() {
    edited = this;
    look(edited.toGeoJSON().geometry);
  }

  function eachDrawn(act) {
    const drawn = window.drawnItems;
    if (drawn && drawn.eachLayer) drawn.eachLayer(act);
  }

  /** The geometry drawn last, or null. */
  function last() {
    let found = null;
    eachDrawn((layer) => { if (layer.toGeoJSON) found = layer.toGeoJSON().geometry; });
    return found;
  }

  /** What the points set so far make; null while they are too few. */
  function unfinished(markers) {
    const points = markers.getLayers().map((marker) => L.GeoJSON.latLngToCoords(marker.getLatLng(), 6));
    if (drawing === "polygon") {
      return points.length < 3 ? null : { type: "Polygon", coordinates: [[...points, points[0]]] };
    }
    return points.length < 2 ? null : { type: "LineString", coordinates: points };
  }

  /** Another geometry to judge; null takes the panel away, or says what is missing while one is drawn. */
  function look(found) {
    if (!state.rubric || (JSON.stringify(found) === JSON.stringify(geometry) && (found || !drawing))) return;
    geometry = found;
    failures = 0;
    if (!geometry) {
      forget();
      if (drawing) { open(); say(drawing === "polygon" ? words.area : words.line); } else close();
      return;
    }
    open();
    ask();
  }

  function forget() {
    clearTimeout(timer);
    timer = null;
    for (const flight of flights.values()) flight.abort();
    flights.clear();
    // What is still on its way is of something that is gone.
    shown = sequence;
    erase();
  }

  // ---------------------------------------------------------------- asking

  /** Ask soon: at most every `EVERY_MS`, and always about what is drawn by then. */
  function ask() {
    if (timer) return;
    timer = setTimeout(() => { timer = null; send(); }, Math.max(0, askedAt + EVERY_MS - Date.now()));
  }

  async function send() {
    if (!geometry || !parts) return;
    if (flights.size >= AT_ONCE) { waiting = true; return; }
    askedAt = Date.now();
    waiting = false;
    const mine = ++sequence, flight = new AbortController();
    flights.set(mine, flight);
    parts.section.setAttribute("aria-busy", "true");
    try {
      const answer = await post(state.rubric, { geometry, theme: theme() }, flight.signal);
      if (mine > shown) await take(answer, mine);
    } catch (failure) {
      if (failure.name !== "AbortError" && mine > shown) failed(words.away, AGAIN_MS);
    } finally {
      flights.delete(mine);
      if (!flights.size && parts) parts.section.removeAttribute("aria-busy");
      if (waiting) ask();
    }
  }

  const post = (address, content, signal) => fetch(addressed(address), {
    method: "POST", credentials: "same-origin", signal,
    headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });

  const addressed = (address) => `${address}&lang=${language}`;

  async function take(answer, mine) {
    const content = await answer.json().catch(() => null);
    // Something newer may have been answered while this was read.
    if (mine <= shown) return;
    shown = mine;
    for (const [number, flight] of flights) if (number < mine) flight.abort();
    if (answer.ok && content) { failures = 0; write(content); return; }
    const wait = Number(answer.headers.get("Retry-After")) * 1000;
    failed((content && content.error) || words.away, wait || (answer.status >= 500 ? AGAIN_MS : 0));
  }

  /** Say what went wrong; what may pass is tried again, a few times, about what is drawn then. */
  function failed(why, againMs) {
    say(why);
    if (againMs && failures < MOST_AGAIN) {
      failures += 1;
      askedAt = Date.now() + againMs - EVERY_MS;
      ask();
    }
  }

  const theme = () => kept(THEME_KEY) || state.theme || USUAL_THEME[geometry.type];

  // ---------------------------------------------------------------- the panel

  function open() {
    if (!Object.keys(words).length) return;
    if (!panel) build();
    parts.theme.value = geometry ? theme() : parts.theme.value;
    expand(!drawing && (kept(OPEN_KEY) ? kept(OPEN_KEY) === "yes" : map.getSize().x >= ROOMY_PX));
  }

  function close() {
    if (panel) { panel.remove(); panel = parts = undefined; }
  }

  function build() {
    const Panel = L.Control.extend({
      options: { position: "bottomright" },
      onAdd() {
        const total = element("strong", { class: "rubric-total" }, words.waiting);
        const gates = element("span", { class: "rubric-gates" }, "");
        const toggle = element("button", { type: "button", class: "rubric-toggle", "aria-controls": "rubric-body" },
          element("span", { class: "rubric-title" }, words.title), total, gates);
        const first = element("p", { class: "rubric-first" });
        const choose = element("select", { id: "rubric-theme" },
          ...themes.map((each) => element("option", { value: each.key }, each.name)));
        const results = element("div", { class: "rubric-results" });
        const body = element("div", { class: "rubric-body", id: "rubric-body", tabindex: "0", role: "group",
          "aria-label": words.title },
          element("p", { class: "rubric-theme" }, element("label", { for: "rubric-theme" }, words.theme), choose),
          results, element("p", { class: "rubric-before" }, words.before));
        const said = element("p", { class: "rubric-said", role: "status", "aria-live": "polite" });
        const section = element("section", { class: "rubric leaflet-bar", "aria-label": words.title },
          toggle, first, body, said);
        toggle.addEventListener("click", () => {
          if (body.hidden) foldOther();
          expand(body.hidden);
          keep(OPEN_KEY, body.hidden ? "no" : "yes");
        });
        choose.addEventListener("change", () => { keep(THEME_KEY, choose.value); ask(); });
        plan.ownGround(section);
        parts = { section, toggle, total, gates, first, theme: choose, results, body, said };
        return section;
      },
    });
    panel = new Panel().addTo(map);
  }

  function expand(opened) {
    parts.body.hidden = !opened;
    parts.first.hidden = opened;
    parts.section.dataset.drawing = String(Boolean(drawing));
    parts.body.style.maxHeight = `${Math.max(LOWEST_PX, Math.min(HIGHEST_PX, room()))}px`;
    parts.toggle.setAttribute("aria-expanded", String(opened));
    parts.toggle.title = opened ? words.hide : words.open;
  }

  /** The height that the corner above leaves for the results, in pixels. */
  function room() {
    const above = map.getContainer().querySelector(".leaflet-top.leaflet-right").offsetHeight;
    return map.getSize().y - above - AROUND_PX;
  }

  /** The list of layers makes room where there is none for both. */
  function foldOther() {
    const button = map.getContainer().querySelector(".plan-panel-button[aria-expanded=true]");
    if (button && room() < LOWEST_PX) button.click();
  }

  /** Instead of a result: why there is none. */
  function say(sentence) {
    if (!parts) return;
    parts.total.textContent = "";
    parts.gates.textContent = "";
    parts.first.textContent = sentence;
    parts.results.replaceChildren(element("p", { class: "rubric-why" }, sentence));
    parts.section.dataset.shown = "";
    aloud(sentence);
  }

  /** For who does not see the panel: the last sentence, once the hand rests. */
  function aloud(sentence) {
    clearTimeout(sayTimer);
    sayTimer = setTimeout(() => { if (parts) parts.said.textContent = sentence; }, SAY_AFTER_MS);
  }

  function write(content) {
    if (!parts) return;
    parts.total.textContent = content.total_words;
    parts.gates.textContent = content.gates_words;
    parts.first.textContent = content.first;
    const held = standing();
    const toAct = content.gates.filter((gate) => gate.verdict !== "pass");
    const passed = content.gates.filter((gate) => gate.verdict === "pass");
    parts.results.replaceChildren(
      ...content.repairs.map((repair) => element("p", { class: "rubric-why" }, repair)),
      element("p", { class: "rubric-outcome" }, content.outcome),
      element("h3", {}, words.gates),
      ...(content.gates.length ? [] : [element("p", {}, "–")]),
      element("ul", {}, ...toAct.map(gateRow)),
      ...(passed.length ? [passedGates(passed, held.passed)] : []),
      element("h3", {}, words.criteria),
      element("ul", {}, ...content.criteria.map(criterionRow)));
    restore(held);
    parts.section.dataset.shown = String(shown);
    aloud([content.total_words, content.gates_words, content.first].filter(Boolean).join(". "));
    if (chosen) drawChosen();
  }

  /** Where the reader is in the panel, which is written anew. */
  function standing() {
    const focused = parts.results.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const passed = parts.results.querySelector("details");
    return { focused, top: parts.body.scrollTop, passed: Boolean(passed && passed.open) };
  }

  function restore(held) {
    parts.body.scrollTop = held.top;
    if (!held.focused) return;
    const again = [...parts.results.querySelectorAll("[data-key]")].find((each) => each.dataset.key === held.focused);
    if (again) again.focus({ preventScroll: true });
  }

  function passedGates(gates, opened) {
    return element("details", { open: opened },
      element("summary", { "data-key": "passed" }, words.passed.replace("{count}", gates.length)),
      element("ul", {}, ...gates.map(gateRow)));
  }

  function gateRow(gate) {
    return element("li", { class: "rubric-gate", "data-verdict": gate.verdict },
      element("p", { class: "rubric-verdict" },
        element("span", { "aria-hidden": "true", class: "rubric-mark" }, MARKS[gate.verdict]), gate.word),
      element("p", { class: "rubric-question" }, gate.question),
      element("p", {}, gate.said),
      ...(gate.remedy ? [element("p", { class: "rubric-remedy" }, gate.remedy)] : []),
      ...(gate.shown ? [showButton(gate)] : []));
  }

  function criterionRow(criterion) {
    const bar = element("span", { class: "rubric-bar", "aria-hidden": "true" });
    const filled = element("span");
    filled.style.width = `${criterion.score ?? 0}%`;
    bar.append(filled);
    return element("li", { class: "rubric-criterion" },
      element("p", { class: "rubric-question" }, criterion.question,
        element("strong", { class: "rubric-points" }, criterion.points)),
      bar,
      element("p", {}, criterion.said),
      ...(criterion.shown ? [showButton(criterion)] : []));
  }

  /** Draws what the criterion measured, or takes it off the map again. */
  function showButton(row) {
    const on = row.key === chosen;
    const button = element("button", { type: "button", class: "rubric-show", "data-key": `show-${row.key}`,
      "aria-pressed": String(on), "aria-label": `${on ? words.drawn : words.show}: ${row.question}` },
      on ? words.drawn : words.show);
    button.addEventListener("click", () => {
      chosen = chosen === row.key ? null : row.key;
      for (const other of parts.results.querySelectorAll(".rubric-show")) {
        const pressed = other === button && chosen !== null;
        other.setAttribute("aria-pressed", String(pressed));
        other.textContent = pressed ? words.drawn : words.show;
      }
      if (!chosen) { erase(); return; }
      // On a small map the panel makes room for what it shows.
      if (map.getSize().x < NARROW_PX) { expand(false); parts.toggle.focus(); }
      drawChosen(true);
    });
    return button;
  }

  // ---------------------------------------------------------------- evidence

  const STYLES = {
    part: { color: "#7b1fa2", weight: 2.5, dashArray: "5 3", fillOpacity: 0.34 },
    outside: { color: "#b3261e", weight: 2.5, dashArray: "2 5", fillOpacity: 0.16 },
    line: { color: "#7b1fa2", weight: 3, dashArray: "9 4", fill: false },
    reach: { color: "#4a463e", weight: 2, dashArray: "12 7", fill: false },
    feature: { color: "#4a148c", weight: 3, dashArray: "1 6", fillOpacity: 0.05 },
    met: { color: "#0f5c5c", weight: 3, fillColor: "#0f5c5c", fillOpacity: 1, radius: 7 },
    unmet: { color: "#b3261e", weight: 3, fillColor: "#ffffff", fillOpacity: 1, radius: 7 },
    counted: { color: "#4a148c", weight: 1, fillOpacity: 0.7, radius: 3 },
  };
  const MOST_LABELS = 8;
  /** What is drawn smaller than this is looked at from nearer. */
  const SMALLEST_PX = 60;

  async function drawChosen(show = false) {
    const mine = ++pictureSequence, key = chosen;
    await drawAnswer(mine, () => post(state.rubric.replace("/rubric?", "/rubric/evidence?"),
      { geometry, theme: theme(), criterion: key }), false);
    if (show && mine === pictureShown) reveal(besidePanel());
  }

  /** What a criterion measured of a submission that is stored, as the page asks. */
  async function drawStored() {
    const mine = ++pictureSequence;
    erase();
    if (state.evidence) await drawAnswer(mine, () => fetch(state.evidence, { credentials: "same-origin" }), true);
  }

  async function drawAnswer(mine, request, stored) {
    try {
      const answer = await request();
      const content = await answer.json();
      // Something else was chosen, or nothing any more.
      if (mine <= pictureShown || mine !== pictureSequence) return;
      pictureShown = mine;
      erase();
      if (answer.ok) draw(content, stored);
      else caption("", [content.error]);
    } catch { /* the next answer draws it */ }
  }

  function erase() {
    if (picture) { picture.remove(); picture = null; }
    const told = map.getContainer().querySelector(".evidence-caption");
    if (told) told.remove();
    delete map.getContainer().dataset.evidence;
  }

  function draw(content, stored) {
    picture = L.featureGroup().addTo(map);
    content.features.forEach((feature, number) => {
      const { role, label } = feature.properties, style = STYLES[role] || STYLES.feature;
      if (role === "line") outlineOf(feature).addTo(picture);
      const shape = L.geoJSON(feature, { pane: "evidence", interactive: false, style,
        pointToLayer: (_, at) => L.circleMarker(at, { pane: "evidence", interactive: false, radius: 7, ...style }) });
      shape.addTo(picture);
      if (label && number < MOST_LABELS) labelled(shape, label, stored);
    });
    caption(content.title, content.notes, stored);
    map.getContainer().dataset.evidence = String(content.features.length);
    if (stored) reveal([[40, 60], [40, 40]]);
  }

  /** Move the map only if the picture is too small, or something of it lies outside what is free between two corners. */
  function reveal([topLeft, bottomRight]) {
    const bounds = picture && picture.getBounds();
    if (!bounds || !bounds.isValid()) return;
    const size = map.getSize();
    const seen = L.bounds(L.point(topLeft), size.subtract(L.point(bottomRight)));
    const drawn = L.bounds(map.latLngToContainerPoint(bounds.getNorthWest()),
                           map.latLngToContainerPoint(bounds.getSouthEast()));
    const extent = drawn.getSize();
    if (seen.contains(drawn) && Math.max(extent.x, extent.y) >= SMALLEST_PX) return;
    map.fitBounds(bounds, { paddingTopLeft: topLeft, paddingBottomRight: bottomRight, animate: false,
                            maxZoom: Math.max(map.getZoom(), 15) });
  }

  /** What the open panel leaves of the map: beside it, or above it where the map is narrow. */
  function besidePanel() {
    const box = parts.section.getBoundingClientRect();
    return map.getSize().x < NARROW_PX ? [[56, 60], [20, box.height + 60]] : [[60, 60], [box.width + 30, 60]];
  }

  /** White under a line, so that it is seen on any ground. */
  const outlineOf = (feature) => L.geoJSON(feature, { pane: "evidence", interactive: false,
    style: { color: "#ffffff", weight: 7, opacity: 0.9 } });

  function labelled(shape, label, stored) {
    const bounds = shape.getBounds();
    if (!bounds.isValid()) return;
    // Away from the panel.
    const direction = stored ? "auto" : map.getSize().x < NARROW_PX ? "top" : "left";
    const text = element("span", {}, label);
    L.tooltip({ permanent: true, direction, className: "evidence-label", interactive: false })
      .setLatLng(bounds.getCenter()).setContent(text).addTo(picture);
  }

  /** Above the map of a stored submission: what is drawn. Beside a drawing the panel says it. */
  function caption(title, notes, stored = false) {
    const sentences = [stored ? title : "", ...notes].filter(Boolean);
    if (!sentences.length) return;
    map.getContainer().append(element("div", { class: "evidence-caption", role: "status" },
      ...sentences.map((sentence) => element("p", {}, sentence))));
  }

  return { update };
})();
