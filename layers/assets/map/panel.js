/* The layer panel: presets, the groups of the consultation's documents with each layer's legend and facts, their order. */
"use strict";

plan.panel = (() => {
  const ACCENT = "#0f5c5c";
  let control, content, body, rows = new Map(), refreshers = [];

  const { element } = plan;

  function add() {
    const { words } = plan;
    const wide = plan.map.getSize().x >= 720;
    body = element("div", { class: "plan-panel-body", id: "plan-panel-body" });
    const button = element("button", { type: "button", class: "plan-panel-button", "aria-controls": "plan-panel-body",
      "aria-expanded": String(wide) }, words.layers);
    body.hidden = !wide;
    button.addEventListener("click", () => {
      body.hidden = !body.hidden;
      button.setAttribute("aria-expanded", String(!body.hidden));
      if (!body.hidden) foldResult();
    });
    control = plan.addControl("topright", element("section",
      { class: "plan-panel leaflet-bar", "aria-label": words.layers }, button, body));
    fill();
  }

  /** The provisional result below folds where there is no room for both. */
  function foldResult() {
    const toggle = plan.map.getContainer().querySelector(".rubric-toggle[aria-expanded=true]");
    if (toggle) toggle.click();
  }

  /** In another language, or in the colours of another ground: what was open stays open. */
  async function speakAnew() {
    const open = [...control.getContainer().querySelectorAll("details[open][data-part]")].map((d) => d.dataset.part);
    const hidden = body.hidden, at = body.scrollTop;
    control.remove();
    add();
    body.hidden = hidden;
    control.getContainer().querySelector(".plan-panel-button").setAttribute("aria-expanded", String(!hidden));
    await filled;
    for (const details of body.querySelectorAll("details[data-part]")) details.open = open.includes(details.dataset.part);
    body.scrollTop = at;
  }

  let filled;
  const fill = () => { filled = fillIn(body); };

  async function fillIn(body) {
    const { words } = plan;
    try {
      content = await plan.fetchJson(`/map/panel.json?lang=${plan.language}&theme=${plan.choices.now.ground}`);
    } catch {
      body.append(element("p", {}, words.panel_failed));
      return;
    }
    rows = new Map();
    refreshers = [];
    plan.style.knowOrigins(content.origins);
    body.append(element("p", { class: "plan-indicative" }, words.indicative), presetSection(), originSection(),
      proposalSection(), ...content.groups.map(groupSection), orderSection(), groundSection());
    refresh();
    plan.map.getContainer().dataset.panel = "ready";
    // Once what is known of origins has come, a UAT that the address chose is lit.
    if (plan.choices.now.uat) plan.whenDrawn(() => plan.style.apply("uat"));
  }

  const refresh = () => refreshers.forEach((act) => act());
  const details = (part, name, ...inside) =>
    element("details", { "data-part": part }, element("summary", {}, name), ...inside);

  // ---------------------------------------------------------------- presets and origins

  function presetSection() {
    const question = element("p", { class: "plan-question", "aria-live": "polite" });
    const buttons = content.presets.map((preset) => {
      const button = element("button", { type: "button", class: "plan-chip" }, preset.name);
      button.addEventListener("click", () => plan.choices.choosePreset(plan.choices.now.preset === preset.id ? "" : preset.id));
      refreshers.push(() => button.setAttribute("aria-pressed", String(plan.choices.now.preset === preset.id)));
      return button;
    });
    refreshers.push(() => {
      const chosen = content.presets.find((preset) => preset.id === plan.choices.now.preset);
      question.textContent = chosen ? chosen.question : "";
    });
    return element("div", { class: "plan-presets", role: "group", "aria-label": plan.words.presets }, ...buttons, question);
  }

  /** A list of the UATs that a prospective radial comes from, for those who do not click the map. */
  function originSection() {
    const { words } = plan;
    const names = new Map(content.origins.map((origin) => [origin.siruta, origin.name]));
    const list = element("select", { id: "plan-origin" }, element("option", { value: "" }, words.all_origins),
      ...[...names].map(([siruta, name]) => element("option", { value: siruta }, name)));
    list.addEventListener("change", () => plan.choices.chooseUat(list.value));
    const told = element("p", { class: "plan-told", "aria-live": "polite" });
    const box = element("div", { class: "plan-origin" },
      element("label", { for: "plan-origin" }, words.origin), list, told);
    refreshers.push(() => {
      const { uat } = plan.choices.now;
      box.hidden = !plan.choices.isOn("prospective_radials") || !content.origins.length;
      list.value = names.has(uat) ? uat : "";
      told.replaceChildren(...plan.style.originsOf(uat).map((origin) => element("span", {}, plan.fill(
        origin.crossed.length ? words.origin_told : words.origin_direct,
        { name: origin.name, crossed: origin.crossed_names.join(", "), joins: origin.joins }))));
      if (uat && !names.has(uat)) told.replaceChildren(words.no_origin);
    });
    return box;
  }

  // ---------------------------------------------------------------- layers

  function groupSection(group) {
    const made = details(group.id, group.name, ...group.layers.map(layerRow));
    made.open = group.layers.some((layer) => plan.choices.isOn(layer.id));
    const count = element("span", { class: "plan-count" });
    made.firstChild.append(" ", count);
    refreshers.push(() => {
      const shown = group.layers.filter((layer) => plan.choices.isOn(layer.id)).length;
      count.textContent = `${shown}/${group.layers.length}`;
      count.setAttribute("aria-label", plan.fill(plan.words.shown_of, { shown, all: group.layers.length }));
    });
    return made;
  }

  function layerRow(layer) {
    const box = element("input", { type: "checkbox", id: `layer-${layer.id}` });
    box.addEventListener("change", () => plan.choices.switchLayer(layer.id, box.checked));
    const legend = element("div", { class: "plan-shown" },
      layer.legend_title ? element("p", { class: "plan-legend-title" }, layer.legend_title) : "",
      layer.choice ? valueList(layer) : "",
      element("ul", { class: "plan-legend" }, ...layer.legend.map(legendRow)));
    const about = aboutLayer(layer);
    rows.set(layer.id, layer);
    refreshers.push(() => {
      box.checked = plan.choices.isOn(layer.id);
      legend.hidden = !box.checked;
      legend.style.setProperty("--legend-opacity", plan.choices.opacity(layer.id) / 100);
    });
    return element("div", { class: "plan-layer" },
      element("div", { class: "plan-layer-head" },
        box, element("label", { for: box.id }, layer.name), about),
      legend);
  }

  /** One value of an attribute at a time, as the season of the wind. */
  function valueList(layer) {
    const list = element("select", { "aria-label": `${layer.name}: ${layer.choice.name}` },
      ...layer.choice.values.map(([value, name]) => element("option", { value }, name)));
    list.addEventListener("change", () => plan.choices.chooseValue(layer.id, list.value));
    refreshers.push(() => { list.value = plan.choices.now.choice[layer.id]; });
    return list;
  }

  function aboutLayer(layer) {
    const { words } = plan;
    return element("details", { class: "plan-about", "data-part": `about-${layer.id}` },
      element("summary", { "aria-label": `${words.about_layer}: ${layer.name}`, title: words.about_layer }, "i"),
      element("p", {}, layer.description),
      element("p", {}, element("span", { class: `plan-standing${layer.indicative ? "" : " plan-official"}` }, layer.standing)),
      element("dl", {}, ...layer.facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      opacitySlider(layer),
      element("p", { class: "plan-links" }, `${words.data}: `, ...layer.links.map((link) =>
        element("a", { href: link.address, download: link.file || null, target: link.file ? null : "_blank",
          "aria-label": `${link.name}: ${layer.name}` }, link.name))));
  }

  function opacitySlider(layer) {
    const slider = element("input", { type: "range", min: 10, max: 100, step: 10,
      "aria-label": `${plan.words.opacity}: ${layer.name}` });
    const said = element("output", {});
    slider.addEventListener("input", () => plan.choices.setOpacity(layer.id, Number(slider.value)));
    refreshers.push(() => {
      slider.value = plan.choices.opacity(layer.id);
      said.textContent = `${slider.value} %`;
    });
    return element("div", { class: "plan-opacity" }, element("span", {}, plan.words.opacity), slider, said);
  }

  /** What people brought: a ring is an observation, a disc a project proposal, a number several at a place. */
  function proposalSection() {
    const { words } = plan;
    const box = element("input", { type: "checkbox", id: "layer-proposals" });
    box.addEventListener("change", () => plan.choices.hide("proposals", !box.checked));
    refreshers.push(() => { box.checked = !plan.choices.now.hidden.has("proposals"); });
    const row = (mark, said) => legendRow({ mark, color: ACCENT, text: said });
    return element("div", { class: "plan-layer" },
      element("div", { class: "plan-layer-head" }, box, element("label", { for: box.id }, words.proposals)),
      element("ul", { class: "plan-legend plan-shown" }, row("ring", words.observation),
        row("circle", words.proposal), row("number", words.several)));
  }

  /** What is shown, the uppermost first, each with a button up and one down. */
  function orderSection() {
    const { words } = plan;
    const list = element("ol", { class: "plan-order" });
    refreshers.push(() => {
      const shown = plan.choices.shownInOrder().filter((id) => rows.has(id));
      const before = document.activeElement?.dataset?.move;
      list.replaceChildren(...shown.map((id, position) => element("li", {}, element("span", {}, rows.get(id).name),
        mover(id, -1, "▲", words.move_up, position === 0),
        mover(id, 1, "▼", words.move_down, position === shown.length - 1))));
      // The button that was pressed is drawn anew: the next press of the same key finds it.
      if (before) list.querySelector(`[data-move="${before}"]`)?.focus();
    });
    return details("order", words.order, element("p", { class: "plan-hint" }, words.order_hint), list);
  }

  function mover(id, by, sign, name, atEnd) {
    const button = element("button", { type: "button", "aria-label": `${name}: ${rows.get(id).name}`, title: name,
      "data-move": `${id}${by}`, "aria-disabled": String(atEnd) }, sign);
    button.addEventListener("click", () => { if (!atEnd) plan.choices.move(id, by); });
    return button;
  }

  // ---------------------------------------------------------------- what lies under the plan

  function groundSection() {
    const { words } = plan;
    const themes = content.themes.map(([id, name]) => {
      const box = element("input", { type: "radio", name: "plan-ground", id: `ground-${id}` });
      box.addEventListener("change", () => plan.choices.chooseGround(id));
      refreshers.push(() => { box.checked = plan.choices.now.ground === id; });
      return element("span", { class: "plan-ground" }, box, element("label", { for: box.id }, name));
    });
    return details("ground", words.backdrops,
      element("div", { role: "radiogroup", "aria-label": words.ground, class: "plan-grounds" }, ...themes),
      ...content.backdrops.map(backdropRow));
  }

  /** Raster pictures under the plan: their tiles are asked for only once switched on. */
  function backdropRow(backdrop) {
    const box = element("input", { type: "checkbox", id: `layer-${backdrop.id}` });
    box.addEventListener("change", () => {
      const under = new Set(shownUnder());
      under[box.checked ? "add" : "delete"](backdrop.id);
      plan.choices.lieUnder(under);
    });
    refreshers.push(() => {
      box.checked = shownUnder().includes(backdrop.id);
      plan.whenDrawn(() => plan.showBackdrop(backdrop, box.checked));
    });
    return element("div", { class: "plan-layer" }, element("div", { class: "plan-layer-head" },
      box, element("label", { for: box.id }, backdrop.name)));
  }

  const shownUnder = () => content.backdrops.map((backdrop) => backdrop.id).filter((id) =>
    (plan.choices.now.under ? plan.choices.now.under.has(id) : content.backdrops.find((b) => b.id === id).visible));

  // ---------------------------------------------------------------- legend

  function legendRow(row) {
    return element("li", {}, swatch(row), element("span", {}, row.text));
  }

  /** A small drawing of a mark: an area, a line with its dash, a point or an arrow. */
  function swatch(row) {
    const dash = row.dash ? row.dash.map((d) => d * Math.min(row.width, 3)).join(" ") : "none";
    const line = { x1: 2, y1: 7, x2: 26, y2: 7, stroke: row.color };
    const shapes = {
      line: [["line", { ...line, "stroke-width": Math.min(row.width, 3), "stroke-dasharray": dash,
        "stroke-linecap": row.dash && row.dash[0] < 1 ? "round" : "butt" }]],
      boundary: [["line", { ...line, "stroke-width": 1.4, "stroke-dasharray": "6 2 1 2" }]],
      circle: [["circle", { cx: 14, cy: 7, r: 4, fill: row.color, stroke: "#fff" }]],
      ring: [["circle", { cx: 14, cy: 7, r: 4.5, fill: "#fff", stroke: row.color, "stroke-width": 2.2 }]],
      number: [["circle", { cx: 14, cy: 7, r: 6.5, fill: row.color }],
        ["text", { x: 14, y: 10.4, fill: "#fff", "font-size": 9, "text-anchor": "middle" }, "5"]],
      arrow: [["path", { d: "M3 7h17M17 3l6 4-6 4", fill: "none", stroke: row.color, "stroke-width": 2.2 }]],
      fill: [["rect", { x: 2, y: 1.5, width: 24, height: 11, fill: row.color, stroke: row.color,
        "fill-opacity": Math.max(row.opacity, 0.45), "stroke-dasharray": dash }]],
    }[row.mark];
    return plan.drawing("0 0 28 14", ...shapes);
  }

  return { add, speakAnew, refresh };
})();
