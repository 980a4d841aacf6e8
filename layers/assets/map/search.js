/* Search: what a person types, found by the server; the arrows choose, Enter goes there. */
"use strict";

plan.search = (() => {
  const WAIT_MS = 220, LEAST = 2, AREA_ZOOM = 15, POINT_ZOOM = 15;
  let field, list, status, box, found = [], active = -1, asked = 0;

  function start() {
    const { element } = plan;
    field = element("input", { type: "search", role: "combobox", "aria-expanded": "false", "aria-autocomplete": "list",
      "aria-controls": "plan-found", autocomplete: "off", spellcheck: "false", maxlength: 80, enterkeyhint: "search" });
    list = element("ul", { id: "plan-found", role: "listbox", hidden: true });
    status = element("div", { class: "plan-search-status", role: "status" });
    const opener = element("button", { type: "button", class: "plan-tool plan-search-opener", "data-word": "search",
      "aria-expanded": "false" }, plan.icon("M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5"));
    box = element("div", { class: "plan-search leaflet-bar", role: "search" }, opener, field, list, status);
    opener.addEventListener("click", () => {
      const open = box.classList.toggle("plan-open");
      opener.setAttribute("aria-expanded", String(open));
      if (open) field.focus();
    });
    field.addEventListener("input", plan.debounced(ask, WAIT_MS));
    field.addEventListener("keydown", steer);
    field.addEventListener("blur", () => setTimeout(close, 200));
    plan.addControl("topleft", box);
    const corner = box.parentElement;
    corner.prepend(box);
    speak();
  }

  function speak() {
    field.setAttribute("aria-label", plan.words.search);
    field.placeholder = plan.words.search_hint;
  }

  async function ask() {
    const typed = field.value.trim(), mine = ++asked;
    if (typed.length < LEAST) { close(); return; }
    try {
      const answer = await plan.fetchJson(`/map/search?lang=${plan.language}&q=${encodeURIComponent(typed)}`);
      if (mine === asked) show(answer.found);
    } catch {
      if (mine === asked) { close(); status.textContent = plan.words.search_failed; }
    }
  }

  function show(results) {
    found = results;
    active = -1;
    list.replaceChildren(...results.map((result, position) => {
      const item = plan.element("li", { role: "option", id: `plan-found-${position}`, "aria-selected": "false" },
        plan.element("strong", {}, result.name), plan.element("span", {}, result.detail));
      // Before the field loses the focus.
      item.addEventListener("mousedown", (event) => { event.preventDefault(); choose(position); });
      return item;
    }));
    list.hidden = !results.length;
    field.setAttribute("aria-expanded", String(Boolean(results.length)));
    status.textContent = results.length ? "" : plan.words.search_nothing;
  }

  function close() {
    list.hidden = true;
    status.textContent = "";
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function steer(event) {
    if (event.key === "Escape") { close(); return; }
    if (event.key === "Enter") {
      event.preventDefault();
      if (found.length && !list.hidden) choose(Math.max(active, 0)); else ask();
      return;
    }
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || list.hidden) return;
    event.preventDefault();
    active = (active + by + found.length) % found.length;
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === active)));
    list.children[active].scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", list.children[active].id);
  }

  /** Go there, light up what it is, and ask the page what is there. */
  function choose(position) {
    const { lon, lat, bounds, name, uat } = found[position];
    field.value = name;
    close();
    box.classList.remove("plan-open");
    if (bounds) {
      const [west, south, east, north] = bounds;
      plan.map.fitBounds([[south, west], [north, east]], { maxZoom: AREA_ZOOM, padding: [30, 30], animate: false });
    } else {
      plan.map.setView([lat, lon], Math.max(plan.map.getZoom(), POINT_ZOOM), { animate: false });
    }
    if (uat) plan.choices.chooseUat(uat);
    plan.map.fire("click", { latlng: L.latLng(lat, lon), found: true });
  }

  return { start, speak };
})();
