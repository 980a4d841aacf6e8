/* Streamlit's own English words, in the language of the page: names for screen readers, tooltips, its menus.
 *
 * Only what equals one of the known words is replaced, and text only inside Streamlit's own parts:
 * what people wrote is never touched.
 */
"use strict";

(() => {
  const words = JSON.parse(document.getElementById("page-words").textContent);
  const REST = "{rest}";
  const COMPONENT = "streamlit_folium.st_folium";
  const NAMES = ["aria-label", "title", "placeholder", "alt"];
  const OWN_PARTS = [
    "[data-testid=stTooltipContent]", "[role=tooltip]", "[role=listbox]", "[data-testid=stToolbar]", "[data-testid=stStatusWidget]",
    "[data-testid=stDataFrameColumnMenu]", "[data-testid=stDataFrameColumnFormattingMenu]", "[role=dialog]", "[role=menu]",
    "a[href='#stMain']", "[data-testid=stDateInput]", "[data-testid=stMultiSelect]", "[data-testid=stSelectbox]",
  ].join(",");

  /** From a word in any language to Streamlit's English. */
  const english = new Map();
  for (const known of Object.values(words)) {
    for (const [original, translated] of Object.entries(known)) english.set(translated, original);
  }

  let language = document.documentElement.lang;

  /** The page says its language in its style: it can change without the page being loaded again. */
  const spoken = () =>
    getComputedStyle(document.documentElement).getPropertyValue("--page-language").replaceAll(/["'\s]/g, "") || language;

  const said = (word) => {
    const original = english.get(word.trim());
    return original === undefined ? undefined : words[language][original];
  };

  /** A name made of a known word and the name of what it is about: “Help for Coordinates”, “Search: Table”. */
  function saidOf(name) {
    for (const [form, original] of english) {
      const [before, after] = form.split(REST);
      if (after === "" && name.startsWith(before)) {
        return words[language][original].replace(REST, () => name.slice(before.length));
      }
    }
    const colon = name.indexOf(": ");
    const head = colon > 0 && said(name.slice(0, colon));
    return head ? head + name.slice(colon) : undefined;
  }

  function nameAnew(element) {
    for (const name of NAMES) {
      const before = element.getAttribute(name);
      const after = before && (said(before) || (name === "aria-label" ? saidOf(before) : undefined));
      if (after && after !== before) element.setAttribute(name, after);
    }
    // The name of an icon's drawing says nothing: the word stands beside it.
    if (/^\w+ icon$/.test(element.getAttribute("aria-label") || "")) element.setAttribute("aria-hidden", "true");
    const name = words[language].Map;
    // Setting a name again is a change again: only where it differs.
    if (element.title === COMPONENT && element.getAttribute("aria-label") !== name) element.setAttribute("aria-label", name);
  }

  function textAnew(node) {
    const after = said(node.data);
    if (after && after !== node.data && node.parentElement?.closest(OWN_PARTS)) node.data = after;
  }

  function anew(root) {
    if (root.nodeType === Node.TEXT_NODE) { textAnew(root); return; }
    if (root.nodeType !== Node.ELEMENT_NODE) return;
    nameAnew(root);
    root.querySelectorAll(NAMES.map((name) => `[${name}]`).join(",")).forEach(nameAnew);
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) textAnew(texts.currentNode);
  }

  function watch(changes) {
    const now = spoken();
    if (now !== language && words[now]) {
      language = document.documentElement.lang = now;
      anew(document.body);
      return;
    }
    for (const change of changes) {
      if (change.type === "attributes") nameAnew(change.target);
      else if (change.type === "characterData") textAnew(change.target);
      else change.addedNodes.forEach(anew);
    }
  }

  // A key held down repeats: as a shortcut it would act on what comes next, before anybody has read it.
  window.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, [contenteditable], canvas");
    if (event.repeat && event.key.length === 1 && !typing) event.stopImmediatePropagation();
  }, true);

  anew(document.body);
  new MutationObserver(watch).observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: NAMES });
})();
