/* What was chosen, on the map: which layers are drawn, how opaque, in which order; what a chosen UAT lights up.
 *
 * The style comes from the server once for each language and ground. The map is never mounted anew for it.
 */
"use strict";

plan.style = (() => {
  const OPACITIES = { fill: ["fill-opacity"], line: ["line-opacity"], circle: ["circle-opacity", "circle-stroke-opacity"],
    symbol: ["text-opacity", "icon-opacity"], raster: ["raster-opacity"] };
  /** How much of the others is left when a UAT is chosen. */
  const DIMMED = 0.28;
  let entries = new Map(), origins = [];

  const address = () => `/map/style.json?lang=${plan.language}&theme=${plan.choices.now.ground}`;

  /** The style as it is chosen, before the map draws for the first time: nothing is asked for twice, nothing flickers. */
  function prepared(style) {
    entries = new Map(style.layers.map((entry) => [entry.id, entry]));
    const byId = new Map(style.layers.map((entry) => [entry.id, entry]));
    return { ...style, layers: inOrder().map((id) => withChoices(byId.get(id))) };
  }

  function withChoices(entry) {
    if (!entry.metadata) return entry;
    const made = { ...entry, layout: { ...entry.layout, visibility: visibility(entry) },
      paint: { ...entry.paint, ...opacities(entry) } };
    const filter = filterOf(entry);
    if (filter) made.filter = filter;
    return made;
  }

  const visibility = (entry) => (plan.choices.isOn(entry.metadata.layer) ? "visible" : "none");

  function opacities(entry) {
    const { layer } = entry.metadata;
    const factors = [plan.choices.opacity(layer) / 100, dimming(entry)];
    const found = {};
    for (const name of OPACITIES[entry.type] || []) found[name] = product([entry.paint?.[name] ?? 1, ...factors]);
    return found;
  }

  /** Numbers are multiplied here, expressions where the map draws. */
  function product(factors) {
    const number = factors.filter((each) => typeof each === "number").reduce((all, each) => all * each, 1);
    const expressions = factors.filter((each) => typeof each !== "number");
    return expressions.length ? ["*", number, ...expressions] : number;
  }

  /** When a UAT is chosen, the radials of others step back, their names with them. */
  function dimming(entry) {
    const { layer, part } = entry.metadata, { uat } = plan.choices.now;
    if (!uat || layer !== "prospective_radials" || part === "lit" || !origins.some((o) => o.siruta === uat)) return 1;
    const mine = ["==", ["get", "origin_uat"], uat];
    return part === "casing" ? DIMMED : ["case", mine, 1, DIMMED];
  }

  function filterOf(entry) {
    const { lit, choice, layer } = entry.metadata;
    if (lit) return litFilter(lit);
    if (choice) {
      const chosen = ["==", ["get", choice], plan.choices.now.choice[layer]];
      return entry.filter[0] === "all" ? [...entry.filter.slice(0, -1), chosen] : chosen;
    }
    return entry.filter;
  }

  function litFilter(lit) {
    const { uat } = plan.choices.now;
    if (lit !== "crossed") return ["==", ["get", lit], uat || "-"];
    const crossed = origins.filter((o) => o.siruta === uat).flatMap((o) => o.crossed);
    return ["in", ["get", "siruta"], ["literal", crossed]];
  }

  /** Ids of the style's layers, the lowest first: bands under the network below all its lines, names above everything. */
  function inOrder() {
    const all = [...entries.values()], part = (entry) => entry.metadata?.part;
    const isName = (entry) => ["label", "badge"].includes(part(entry));
    const marks = all.filter((entry) => entry.metadata && !isName(entry) && part(entry) !== "casing");
    const casings = all.filter((entry) => part(entry) === "casing");
    const cased = new Set(casings.map((entry) => entry.metadata.layer));
    const ids = ["background"];
    for (const layer of [...plan.choices.now.order].reverse()) {
      if (casings.length && cased.has(layer)) ids.push(...casings.splice(0).map((entry) => entry.id));
      ids.push(...marks.filter((entry) => entry.metadata.layer === layer).map((entry) => entry.id));
    }
    return [...ids, ...all.filter(isName).map((entry) => entry.id)];
  }

  // ---------------------------------------------------------------- changes

  function apply(what) {
    const changed = { layers: [showAll], opacity: [fadeAll], order: [orderAll], uat: [filterAll, fadeAll],
      choice: [filterAll], preset: [orderAll, showAll, fadeAll], address: [orderAll, filterAll, showAll, fadeAll] }[what];
    for (const act of changed || []) act();
  }

  const eachEntry = (act) => {
    for (const entry of entries.values()) if (entry.metadata && plan.gl.getLayer(entry.id)) act(entry);
  };
  const showAll = () => eachEntry((entry) => {
    if (plan.gl.getLayoutProperty(entry.id, "visibility") !== visibility(entry)) {
      plan.gl.setLayoutProperty(entry.id, "visibility", visibility(entry));
    }
  });
  const fadeAll = () => eachEntry((entry) => {
    for (const [name, value] of Object.entries(opacities(entry))) plan.gl.setPaintProperty(entry.id, name, value);
  });
  const filterAll = () => eachEntry((entry) => {
    if (entry.metadata.lit || entry.metadata.choice) plan.gl.setFilter(entry.id, filterOf(entry));
  });
  const isName = (id) => ["label", "badge"].includes(entries.get(id)?.metadata?.part);
  /** The plan's marks in their order, above them what others drew, above all the names. */
  const orderAll = () => {
    const drawn = plan.gl.getLayersOrder(), firstName = drawn.find(isName);
    const marks = inOrder().filter((id) => id !== "background" && !isName(id));
    const others = drawn.filter((id) => !entries.has(id) && plan.gl.getLayer(id).type !== "raster");
    for (const id of [...marks, ...others]) plan.gl.moveLayer(id, firstName);
  };

  /** Another language or another ground: the same layers, with other words and colours. */
  async function restyle() {
    const style = await plan.fetchJson(address());
    entries = new Map(style.layers.map((entry) => [entry.id, entry]));
    for (const entry of style.layers) {
      if (!plan.gl.getLayer(entry.id)) continue;
      for (const [name, value] of Object.entries(entry.paint || {})) plan.gl.setPaintProperty(entry.id, name, value);
      for (const name of ["text-field", "icon-image"]) {
        if (entry.layout?.[name] !== undefined) plan.gl.setLayoutProperty(entry.id, name, entry.layout[name]);
      }
    }
    fadeAll();
  }

  // ---------------------------------------------------------------- pictures

  const PIXEL_RATIO = 2;

  /** Pictures are drawn when a style first asks for them: arrows that take any colour, plates behind codes. */
  function drawMissing(id) {
    if (plan.gl.hasImage(id)) return;
    if (id.startsWith("badge#")) plan.gl.addImage(id, plate(id.slice("badge".length)), {
      pixelRatio: PIXEL_RATIO, stretchX: [[10, 22]], stretchY: [[10, 22]], content: [4, 4, 28, 28] });
    const strokes = { arrow: drawArrow, head: drawHead }[id];
    if (strokes) plan.gl.addImage(id, distances(strokes), { pixelRatio: PIXEL_RATIO, sdf: true });
  }

  function canvas(width, height) {
    const made = plan.element("canvas", { width, height });
    return made.getContext("2d", { willReadFrequently: true });
  }

  function plate(color) {
    const pen = canvas(32, 32);
    pen.fillStyle = color;
    pen.beginPath();
    pen.roundRect(2, 2, 28, 28, 8);
    pen.fill();
    return pen.getImageData(0, 0, 32, 32);
  }

  function drawArrow(pen, side) {
    pen.lineWidth = side * 0.075;
    pen.beginPath();
    pen.moveTo(side / 2, side * 0.14);
    pen.lineTo(side / 2, side * 0.66);
    pen.stroke();
    pen.beginPath();
    pen.moveTo(side / 2, side * 0.87);
    pen.lineTo(side * 0.33, side * 0.56);
    pen.lineTo(side / 2, side * 0.63);
    pen.lineTo(side * 0.67, side * 0.56);
    pen.closePath();
    pen.fill();
  }

  function drawHead(pen, side) {
    pen.beginPath();
    pen.moveTo(side * 0.82, side / 2);
    pen.lineTo(side * 0.24, side * 0.2);
    pen.lineTo(side * 0.4, side / 2);
    pen.lineTo(side * 0.24, side * 0.8);
    pen.closePath();
    pen.fill();
  }

  /** Signed distances in the alpha channel, as MapLibre wants them for pictures that it colours itself. */
  function distances(draw) {
    const side = 64, reach = 8, pen = canvas(side, side);
    draw(pen, side);
    const shape = pen.getImageData(0, 0, side, side), inside = (x, y) =>
      x >= 0 && y >= 0 && x < side && y < side && shape.data[(y * side + x) * 4 + 3] > 127;
    const field = new ImageData(side, side);
    for (let y = 0; y < side; y += 1) {
      for (let x = 0; x < side; x += 1) {
        const here = inside(x, y);
        let nearest = reach;
        for (let dy = -reach; dy <= reach; dy += 1) {
          for (let dx = -reach; dx <= reach; dx += 1) {
            if (inside(x + dx, y + dy) !== here) nearest = Math.min(nearest, Math.hypot(dx, dy) - 0.5);
          }
        }
        const signed = here ? nearest : -nearest;
        field.data[(y * side + x) * 4 + 3] = Math.round(255 * Math.min(Math.max(0.75 + signed / reach, 0), 1));
      }
    }
    return field;
  }

  return { address, prepared, apply, restyle, drawMissing, isName, knowOrigins: (found) => { origins = found; },
    originsOf: (siruta) => origins.filter((origin) => origin.siruta === siruta) };
})();
