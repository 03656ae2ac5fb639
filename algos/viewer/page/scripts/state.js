// Where the reader is, all of it in the address after `#`: every view is a link.
//
// Keys: view (run|question|compare), q (question), e (entry), f (entry compared with), turn, t
// (second), w ([from, to] in seconds), rows (entry whose rows the table has, `*` for all), filter,
// find, cell, sort, cols, group, theme, section. Others are kept as texts. What makes no sense is
// left out.
const State = (() => {
  const listeners = [];
  const LONGEST = 4000; // letters of one value
  const LONGEST_ID = 100000; // of a question: a part of it would be that of none
  const VIEWS = ["run", "question", "compare"];
  const CALM = 300; // ms between two writes of the address: browsers stop pages that write too often

  const numeric = (text) => (/^[0-9]+(\.[0-9]+)?(e-?[0-9]+)?$/i.test(String(text)) ? Number(text) : NaN);

  // A value as it is kept, or undefined if it is none.
  function value(key, given) {
    if (given === null || given === undefined || given === "") return undefined;
    if (key === "view") return VIEWS.includes(given) ? given : undefined;
    if (key === "theme") return given === "light" || given === "dark" ? given : undefined;
    if (key === "turn") return /^[0-9]{1,6}$/.test(String(given)) ? Number(given) : undefined;
    if (key === "t") return Number.isFinite(numeric(given)) ? numeric(given) : undefined;
    if (key === "w") return span(given);
    return String(given).slice(0, key === "q" ? LONGEST_ID : LONGEST);
  }

  function span(given) {
    const ends = (Array.isArray(given) ? given : String(given).split(/[-,]/)).map(numeric);
    return ends.length === 2 && Number.isFinite(ends[1]) && ends[0] < ends[1] ? ends : undefined;
  }

  // A plain link to a place of the page, not a state.
  const isSection = (text) => /^[a-z][a-z0-9_-]{0,80}$/i.test(text);

  function parse(hash) {
    const text = hash.replace(/^#/, "");
    const found = Object.create(null);
    if (isSection(text)) found.section = text;
    else {
      for (const [key, given] of new URLSearchParams(text)) {
        const kept = /^[a-z][a-z0-9._-]{0,40}$/i.test(key) ? value(key, given) : undefined;
        if (kept !== undefined) found[key] = kept;
      }
    }
    found.view = found.view || (found.q !== undefined ? "question" : "run");
    return found;
  }

  const millis = (seconds) => String(Math.round(seconds * 1000) / 1000);
  const written = (key, given) =>
    key === "w" ? given.map(millis).join("-") : key === "t" ? millis(given) : String(given);

  function hashOf(state) {
    const pairs = Object.entries(state)
      .filter(([key, given]) => given !== undefined && !(key === "view" && given === "run"))
      .map(([key, given]) => [key, written(key, given)]);
    const text = String(new URLSearchParams(pairs));
    return `#${text.replace(/%(3A|2C|3B|7C|2F|7E|40|21)/g, decodeURIComponent)}`;
  }

  let now = parse(location.hash);
  let waiting = 0;

  function changed(changes) {
    const next = { ...now };
    for (const [key, given] of Object.entries(changes)) next[key] = value(key, given);
    for (const key of Object.keys(next)) if (next[key] === undefined) delete next[key];
    next.view = next.view || "run";
    if (next.view !== "run") delete next.section; // a place of the run's page
    return next;
  }

  function write(replace) {
    clearTimeout(waiting);
    waiting = 0;
    const hash = hashOf(now);
    if (hash === location.hash || (hash === "#" && !location.hash)) return;
    try {
      history[replace ? "replaceState" : "pushState"](null, "", hash);
    } catch (error) {
      // Some browsers allow only so many a minute; the view is right all the same.
    }
  }

  // Change some keys; null removes one. `replace`: no step for the back button.
  function set(changes, { replace = false } = {}) {
    const next = changed(changes);
    if (hashOf(next) === hashOf(now)) return;
    if (!replace && waiting) write(true);
    now = next;
    if (!replace) write(false);
    else if (!waiting) waiting = setTimeout(() => write(true), CALM);
    tell();
  }

  function tell() {
    for (const listener of listeners) listener(get());
  }

  // What the address says; a copy.
  const get = () => ({ ...now });

  // Call a function with the state whenever it has changed.
  const on = (listener) => listeners.push(listener);

  // The address of the state with some keys changed, for a link.
  const link = (changes) => hashOf(changed(changes));

  function moved() {
    clearTimeout(waiting);
    waiting = 0;
    const next = parse(location.hash);
    const section = isSection(location.hash.slice(1)) ? next.section : null;
    if (!section && hashOf(next) === hashOf(now)) return;
    now = section ? changed({ section }) : next;
    if (section) write(true); // the rest of the state stays in the address
    tell();
  }
  window.addEventListener("popstate", moved);
  window.addEventListener("hashchange", moved);

  return { get, set, on, link };
})();
