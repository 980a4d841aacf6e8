/* Small helpers for the map's own parts. Text is set as text; nothing here makes HTML of words. */
"use strict";

/** What the parts of the map share: `map` (Leaflet), `gl` (MapLibre), `words`, `language`, and each part's functions. */
const plan = {};

plan.unpack = (packed) =>
  JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0))));

/** An element with text, attributes and children; never HTML. */
plan.element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};

plan.drawing = (viewBox, ...shapes) => {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", viewBox);
  svg.setAttribute("aria-hidden", "true");
  for (const [name, attributes, text] of shapes) {
    const made = document.createElementNS(ns, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    svg.append(made);
  }
  return svg;
};

/** A drawing of a few strokes on a square of 24, in the colour of the text around it. */
plan.icon = (path) => plan.drawing("0 0 24 24", ["path", { d: path, fill: "none", stroke: "currentColor",
  "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round" }]);

plan.throttled = (act) => {
  let waiting = null;
  return (event) => {
    if (waiting) { waiting = event; return; }
    waiting = event;
    requestAnimationFrame(() => { const last = waiting; waiting = null; act(last); });
  };
};

plan.debounced = (act, milliseconds) => {
  let timer;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => act(...given), milliseconds); };
};

plan.fetchJson = async (address) => {
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
};

plan.fill = (sentence, facts) => sentence.replaceAll(/\{(\w+)\}/g, (_, name) => facts[name]);

/** A number as people of the map's language write it. */
plan.number = (value, decimals) => value.toLocaleString(plan.language, {
  minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: "always" });

/** Beside what is on the map, Leaflet must not take a click or a wheel for its own. */
plan.ownGround = (box) => {
  L.DomEvent.disableClickPropagation(box);
  L.DomEvent.disableScrollPropagation(box);
  // Leaflet looks for its mark from the button upwards, and finds none where the button's own click drew it anew.
  box.addEventListener("click", (event) => event.stopPropagation());
  return box;
};

/** A Leaflet control that holds one element of ours. */
plan.addControl = (position, box) => {
  const Control = L.Control.extend({ options: { position }, onAdd: () => plan.ownGround(box) });
  return new Control().addTo(plan.map);
};
