/* What the reader chose: which layers, how opaque, in which order, on which ground, which UAT, which part of the world.
 *
 * It stands in the page's address after `#`, which no server ever sees, and in the tab's memory, so that it comes
 * back with the page. What an address says is checked against what there is; the rest of it is left alone.
 */
"use strict";

plan.choices = (() => {
  const KEY = "masterplan.map";
  let start, now, listening = () => {};

  /** Begin with what the style says at first, then what the address says, or else what the tab remembers. */
  function begin(metadata, changed) {
    start = metadata;
    listening = changed;
    now = initial();
    const said = read(page()?.location.hash) || read(sessionStorage.getItem(KEY));
    if (said) now = { ...initial(), ...said };
    page()?.addEventListener("hashchange", followAddress);
    return now;
  }

  const initial = () => ({
    on: new Set(start.visible), opacity: {}, order: [...start.order], preset: "", ground: start.themes[0], uat: "",
    choice: { ...start.choices }, hidden: new Set(), under: null, view: null });

  /** The page around the map; it has the map's own origin, or else it is not ours to touch. */
  function page() {
    try { return window.parent.location.href ? window.parent : null; } catch { return null; }
  }

  function followAddress() {
    const said = read(page().location.hash);
    if (!said) return;
    now = { ...initial(), ...said };
    keep();
    listening("address");
  }

  function ofPreset(id) {
    const { layers, opacity } = start.presets[id];
    const known = layers.filter((layer) => start.order.includes(layer));
    return { preset: id, on: new Set(known), opacity: { ...opacity }, order: inOrder(known) };
  }

  /** These layers in their order where the uppermost of them stood, all others as they were. */
  function inOrder(layers) {
    const rest = start.order.filter((layer) => !layers.includes(layer));
    return [...layers, ...rest];
  }

  // ---------------------------------------------------------------- as text

  function write() {
    const parts = [];
    if (now.view) parts.push(`map=${now.view.zoom}/${now.view.lat.toFixed(5)}/${now.view.lon.toFixed(5)}`);
    if (now.preset) parts.push(`preset=${now.preset}`);
    else if (!asAtStart()) parts.push(`layers=${shownInOrder().map(withOpacity).join(",")}`);
    for (const [layer, value] of Object.entries(now.choice)) {
      if (value !== start.choices[layer]) parts.push(`${layer}=${encodeURIComponent(value)}`);
    }
    if (now.uat) parts.push(`uat=${now.uat}`);
    if (now.ground !== start.themes[0]) parts.push(`ground=${now.ground}`);
    if (now.hidden.size) parts.push(`hidden=${[...now.hidden].join(",")}`);
    if (now.under) parts.push(`under=${[...now.under].join(",")}`);
    return parts.join("&");
  }

  const withOpacity = (layer) => (layer in now.opacity ? `${layer}:${now.opacity[layer]}` : layer);
  const shownInOrder = () => now.order.filter((layer) => now.on.has(layer));
  const asAtStart = () => now.on.size === start.visible.length && start.visible.every((layer) => now.on.has(layer))
    && !Object.keys(now.opacity).length && shownInOrder().join() === start.order.filter((l) => now.on.has(l)).join();

  function read(text) {
    const said = Object.fromEntries((text || "").replace(/^#/, "").split("&").map((part) => {
      const [name, value = ""] = part.split("=");
      return [name, decode(value)];
    }));
    const found = {};
    if (said.preset in start.presets) Object.assign(found, ofPreset(said.preset));
    else if (said.layers !== undefined) Object.assign(found, readLayers(said.layers));
    const view = (said.map || "").split("/").map(Number);
    if (view.length === 3 && view.every(Number.isFinite) && Math.abs(view[1]) < 85 && Math.abs(view[2]) <= 180) {
      found.view = { zoom: Math.min(Math.max(Math.round(view[0]), 8), 19), lat: view[1], lon: view[2] };
    }
    if (/^\d{1,6}$/.test(said.uat || "")) found.uat = said.uat;
    if (start.themes.includes(said.ground)) found.ground = said.ground;
    const ids = (list) => new Set(list.split(",").filter((id) => /^[\w-]{1,60}$/.test(id)));
    if (said.hidden) found.hidden = ids(said.hidden);
    if (said.under !== undefined) found.under = ids(said.under);
    const chosen = Object.keys(start.choices).filter((layer) => /^\w{1,30}$/.test(said[layer] || ""));
    if (chosen.length) found.choice = { ...start.choices, ...Object.fromEntries(chosen.map((l) => [l, said[l]])) };
    return Object.keys(found).length ? found : null;
  }

  function decode(value) {
    try { return decodeURIComponent(value); } catch { return ""; }
  }

  function readLayers(list) {
    const opacity = {}, layers = [];
    for (const part of list.split(",")) {
      const [layer, percent] = part.split(":");
      if (!start.order.includes(layer) || layers.includes(layer)) continue;
      layers.push(layer);
      if (/^\d{1,3}$/.test(percent || "")) opacity[layer] = Math.min(Number(percent), 100);
    }
    return { on: new Set(layers), opacity, order: inOrder(layers) };
  }

  const keep = () => sessionStorage.setItem(KEY, write());
  /** Browsers allow about a hundred of these in half a minute; hands do not reach that, dragging might. */
  const tellAddress = plan.debounced(() => {
    const window = page();
    if (!window) return;
    const { pathname, search } = window.location, said = write();
    window.history.replaceState(window.history.state, "", pathname + search + (said ? `#${said}` : ""));
  }, 250);

  /** Something was chosen: `change` alters it, `what` says to the map which kind of thing. */
  function change(what, alter) {
    alter(now);
    keep();
    tellAddress();
    listening(what);
  }

  return {
    begin, shownInOrder, tellAddress,
    get now() { return now; },
    isOn: (layer) => now.on.has(layer),
    opacity: (layer) => (layer in now.opacity ? now.opacity[layer] : 100),
    switchLayer: (layer, on) => change("layers", () => {
      now.on[on ? "add" : "delete"](layer);
      now.preset = "";
    }),
    setOpacity: (layer, percent) => change("opacity", () => {
      if (percent === 100) delete now.opacity[layer]; else now.opacity[layer] = percent;
      now.preset = "";
    }),
    /** One place up (-1) or down (1) among what is shown. */
    move: (layer, by) => change("order", () => {
      const shown = shownInOrder(), other = shown[shown.indexOf(layer) + by];
      if (!other) return;
      const order = now.order.filter((id) => id !== layer);
      order.splice(order.indexOf(other) + (by > 0 ? 1 : 0), 0, layer);
      Object.assign(now, { order, preset: "" });
    }),
    choosePreset: (id) => change("preset", () => Object.assign(now, id ? ofPreset(id) : pickedAtStart())),
    chooseUat: (siruta) => change("uat", () => { now.uat = siruta; }),
    chooseGround: (ground) => change("ground", () => { now.ground = ground; }),
    chooseValue: (layer, value) => change("choice", () => { now.choice[layer] = value; }),
    /** What is neither a layer of the plan nor of the ground: what people brought. */
    hide: (id, hidden) => change("hidden", () => now.hidden[hidden ? "add" : "delete"](id)),
    lieUnder: (ids) => change("under", () => { now.under = new Set(ids); }),
    look: (view) => { now.view = view; keep(); tellAddress(); },
  };

  function pickedAtStart() {
    const { on, opacity, order, preset } = initial();
    return { on, opacity, order, preset };
  }
})();
