// A served page follows its run: it asks every few seconds whether the files have changed, and takes
// over what did. Where the reader is, filters and what is open stay as they are.
const Live = (() => {
  const EVERY = 3000, SLOW = 30000; // ms between two questions; after answers stayed away
  if (!Data.run.served) return { poll: () => Promise.resolve() };

  const status = Dom.h("p", { id: "live", role: "status" });
  document.getElementById("top").append(status);
  let version = Number(document.documentElement.dataset.state || 0);
  let waiting = 0, failures = 0, busy = null;

  const asked = async (address, kind) => {
    const reply = await fetch(address, { cache: "no-store" });
    if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
    return reply[kind]();
  };

  // For each question, what its rows say in a few letters: to see which have changed.
  const fingerprints = () => {
    const found = new Map();
    for (let i = 0; i < Data.rows.count; i++) {
      const id = Data.rows.get("id", i);
      const mark = ["entry", "verdict", "turns", "frames", "prediction"].map((key) => Data.rows.get(key, i)).join("\u0001");
      found.set(id, found.has(id) ? `${found.get(id)}\u0002${mark}` : mark);
    }
    return found;
  };

  // Sections that were drawn in advance, anew; what is the same is left alone, and so is what is open.
  const takeSections = (fresh) => {
    const table = document.getElementById("questions");
    fresh.querySelectorAll("#run-view > section").forEach((section) => {
      if (section.id === "questions") return;
      const own = document.getElementById(section.id);
      if (!own) { table.parentNode.insertBefore(document.importNode(section, true), table); return; }
      const kept = [...own.children].filter((child) => child.classList.contains("script-only"));
      const same = [...own.children].filter((child) => !kept.includes(child));
      const next = [...section.children];
      if (same.length === next.length && same.every((child, k) => same[k].isEqualNode(next[k]))) return;
      const open = [...own.querySelectorAll("details")].map((one) => one.open);
      same.forEach((child) => child.remove());
      own.append(...next.map((child) => document.importNode(child, true)));
      kept.forEach((child) => own.insertBefore(child, own.children[1] || null));
      [...own.querySelectorAll("details")].forEach((one, k) => { one.open = Boolean(open[k]); });
    });
  };

  // Facts of the run, and the links to its sections.
  const takeHead = (fresh) => {
    for (const place of [".about", "#contents ul"]) {
      const own = document.querySelector(place), next = fresh.querySelector(place);
      if (!own || !next || own.textContent === next.textContent) continue;
      own.replaceChildren(...[...next.children].filter((one) => one.tagName !== "NOSCRIPT").map((one) => document.importNode(one, true)));
    }
  };

  // What the view of one question or of two entries shows is drawn anew only where it has changed.
  const redraw = (before) => {
    const state = State.get();
    const view = { question: QuestionView, compare: CompareView }[state.view];
    if (!view || !state.q || before.get(state.q) === fingerprints().get(state.q)) return null;
    const place = document.getElementById(`${state.view}-view`);
    place.replaceChildren(); // else the view takes itself for up to date
    return view.show(place, state);
  };

  const refresh = async () => {
    const fresh = new DOMParser().parseFromString(await asked("./", "text"), "text/html");
    const told = JSON.parse(fresh.getElementById("run").textContent);
    const before = fingerprints();
    const top = document.scrollingElement.scrollTop;
    await Data.load(told);
    takeSections(fresh);
    takeHead(fresh);
    CurveSection.show();
    await redraw(before);
    document.scrollingElement.scrollTop = top;
    document.documentElement.dataset.shownState = fresh.documentElement.dataset.state;
    return Number(fresh.documentElement.dataset.state || 0);
  };

  const tell = (words) => { if (status.textContent !== words) status.textContent = words; };

  const once = async () => {
    try {
      const state = await asked("state.json", "json");
      if (state.version !== version) version = await refresh();
      failures = 0;
      const at = new Date().toLocaleTimeString();
      if (state.problem) tell(`The newest state cannot be shown: ${state.problem}`);
      else tell(Data.run.live ? "The run goes on; this page follows it." : `The run is over; read at ${at}.`);
      return state.live;
    } catch (error) {
      failures += 1;
      tell("The server does not answer any more: this page shows what was last read.");
      return true;
    }
  };

  const poll = () => {
    if (!busy) busy = once().finally(() => { busy = null; });
    return busy;
  };

  const follow = async () => {
    clearTimeout(waiting);
    if (document.hidden) return;
    await poll();
    waiting = setTimeout(follow, Math.min(EVERY * 2 ** failures, SLOW));
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) follow(); });
  Data.ready.then(follow, () => {});
  return { poll };
})();
