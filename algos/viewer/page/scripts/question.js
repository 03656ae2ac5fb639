// One question: the time axis on top, what was seen at the cursor, the turns, and the verdict.
//
// QuestionView.show(container, state), hide(container); step(by) and play() for the keys of the page.
// The cursor is kept here and told to every panel at once; the address follows.
const QuestionView = (() => {
  const BUTTONS = 6; // entries that stand side by side; more are a list to choose from
  let current = null;

  async function show(container, state) {
    if (current && current.container === container && current.root.isConnected &&
        current.id === state.q && current.wanted === (state.e || null)) {
      follow(current, State.get()); // what was passed may be old by now
      return;
    }
    const wanted = { id: state.q, wanted: state.e || null };
    leave();
    current = { ...wanted, container, root: Dom.h("p", { class: "note", role: "status" }, "Reading the question …") };
    container.replaceChildren(current.root);
    const mine = current;
    const question = await Data.question(state.q);
    if (current !== mine) return; // another was asked for meanwhile
    if (!question) refuse(mine, state.q);
    else build(mine, question, State.get());
  }

  function refuse(view, id) {
    view.root = Dom.h("p", { class: "note", role: "alert" },
      `The details of question ${id} are not in this page: it holds those of ${Data.run.detailed} of ${Data.run.questions} questions.`);
    view.container.replaceChildren(view.root);
  }

  // Let go of what the question before holds: its clip, its timers.
  function leave() {
    if (!current) return;
    if (current.player) current.player.stop();
    current = null;
  }

  function chosen(question, entry) {
    const episodes = question.episodes || [];
    const find = (key) => episodes.find((one) => one.entry === key);
    return find(entry) || find(Data.run.shown) || episodes[0] || { entry: "", steps: [] };
  }

  function build(view, question, state) {
    view.question = question;
    view.episode = chosen(question, state.e);
    const steps = Looks.steps(view.episode);
    view.turn = steps.some((step) => step.turn === state.turn) ? state.turn : firstTurn(steps);
    view.time = typeof state.t === "number" ? state.t : firstTime(view);
    const options = handlers(view);
    view.root = Dom.h("div", { class: "question-view" });
    view.container.replaceChildren(view.root);
    view.root.append(header(view), Dom.h("div", { class: "axis-place" }));
    view.timeline = Timeline.create(view.root.lastChild, {
      question, episodes: [view.episode], ...options, window: state.w || null,
      onTurn: (turn) => toTurn(view, turn, true),
    });
    view.stage = Dom.h("div", { class: "stage", "aria-live": "off" });
    view.player = Player.create(question, view.episode, { ...options, onTime: (second, turn) => played(view, second, turn) });
    view.beliefs = Beliefs.panel(question, view.episode, options);
    view.turns = Turns.list(question, view.episode, options);
    const updates = typeof Updates !== "undefined" && question.episodes.length > 2 ? Updates.strip(question) : null;
    view.root.append(Dom.h("div", { class: "question-body" },
      Dom.h("div", { class: "aside" }, Dom.h("div", { class: "look" }, view.stage, view.player.element), Verdict.view(question, view.episode),
        view.beliefs && view.beliefs.element, updates && (updates.element || updates)),
      view.turns.element));
    const axis = view.root.querySelector(".axis-place");
    const measure = () => view.root.style.setProperty("--axis", `${axis.offsetHeight}px`);
    measure();
    new ResizeObserver(measure).observe(axis);
    tell(view);
    if (state.turn === view.turn) view.turns.show();
  }

  const firstTurn = (steps) => (steps.length ? steps[0].turn : null);

  // Where a turn is on the axis: its first frame, its stretch, or what it relies on.
  function placeOf(view, turn) {
    const own = Looks.ofTurn(view.question, view.episode, turn);
    if (own.length) return own[0].second;
    const step = Looks.steps(view.episode).find((one) => one.turn === turn) || {};
    const span = step.span || (step.claimed || [])[0];
    return span ? span[0] : null;
  }

  // The cursor at first; a turn that is nowhere on the axis follows the last frame before it.
  function firstTime(view) {
    const place = placeOf(view, view.turn);
    if (place !== null) return place;
    const before = Looks.frames(view.question, view.episode).filter((frame) => frame.turn < view.turn);
    return before.length ? before[before.length - 1].second : 0;
  }

  function handlers(view) {
    return {
      time: view.time, turn: view.turn, entry: view.episode.entry,
      onTime: (second, turn) => move(view, second, turn === undefined ? view.turn : turn),
      onTurn: (turn) => toTurn(view, turn),
      onWindow: (window) => State.set({ w: window }, { replace: true }),
    };
  }

  // The heading: question, who plays, ways on from here.
  function header(view) {
    const { question } = view;
    const title = Dom.h("h2", { class: "question", tabindex: "-1" }, question.question);
    const tags = Object.entries(question.group || {}).map(([key, text]) =>
      Dom.h("span", {}, Dom.h("b", {}, key), ` ${text}`));
    const length = question.duration ? Dom.h("span", {}, Dom.h("b", {}, "length"), ` ${Dom.clock(question.duration)}`) : null;
    return Dom.h("header", { class: "question-head" }, title,
      Dom.h("div", { class: "who" }, entries(view), Verdict.line(question, view.episode), ...links(view),
        Dom.h("span", { class: "tags" }, length, ...tags.flatMap((tag) => [" ", tag]))));
  }

  // Who is shown: one button for each entry that played it.
  function entries(view) {
    const episodes = view.question.episodes || [];
    if (episodes.length < 2) return Dom.h("span", { class: "played" }, Looks.title(view.episode.entry));
    if (episodes.length > BUTTONS) return chooser(view, episodes);
    const buttons = episodes.map((episode) => {
      const verdict = Verdict.words(episode);
      const on = episode === view.episode;
      return Dom.h("button", {
        type: "button", class: "entry", "aria-pressed": String(on),
        onclick: () => State.set({ e: episode.entry, turn: null }, {}),
      }, Looks.title(episode.entry), " ", Dom.h("span", { class: verdict.name, title: verdict.text }, verdict.text.slice(0, 1)),
      Dom.h("span", { class: "hidden-text" }, ` ${verdict.text.slice(2)}`));
    });
    return Dom.h("div", { class: "entries", role: "group", "aria-label": "Played by" }, ...buttons);
  }

  function chooser(view, episodes) {
    const select = Dom.h("select", { "aria-label": "Played by" }, ...episodes.map((episode) =>
      Dom.h("option", { value: episode.entry }, `${Looks.title(episode.entry)}: ${Verdict.words(episode).text}`)));
    select.value = view.episode.entry;
    select.addEventListener("change", () => State.set({ e: select.value, turn: null }));
    return select;
  }

  function links(view) {
    const made = [];
    const others = (view.question.episodes || []).filter((one) => one !== view.episode);
    const find = (key) => others.find((one) => one.entry === key);
    const other = find(Data.run.before) || find(Data.run.shown) || others[0];
    if (other) {
      const href = State.link({ view: "compare", q: view.question.id, e: view.episode.entry, f: other.entry });
      made.push(Dom.h("a", { href }, `Compare with ${Looks.title(other.entry)}`));
    }
    view.copied = Dom.h("span", { role: "status", class: "note" });
    made.push(Dom.h("button", { type: "button", onclick: () => copy(view) }, "Copy a link to this moment"), view.copied);
    return made;
  }

  async function copy(view) {
    write(view);
    try {
      await navigator.clipboard.writeText(location.href.replace(/#.*/, "") + State.link({}));
      view.copied.textContent = "Copied.";
    } catch (error) {
      view.copied.textContent = "Not allowed here: the address of this page is the link.";
    }
  }

  // The cursor, for every panel; `still` where it is moved on the axis itself.
  function move(view, second, turn, still = false) {
    view.time = second;
    view.turn = turn;
    tell(view, still);
    write(view);
  }

  function toTurn(view, turn, still = false) {
    const own = Looks.ofTurn(view.question, view.episode, turn);
    const there = own.some((frame) => Math.abs(frame.second - view.time) <= Looks.SAME);
    const place = placeOf(view, turn);
    move(view, there || place === null ? view.time : place, turn, still);
  }

  // A clip moves the cursor alone, frames that are played their turn too.
  function played(view, second, turn) {
    move(view, second, turn === null ? view.turn : turn);
  }

  function tell(view, still = false) {
    const { time, turn } = view;
    view.timeline.update({ time, turn });
    view.turns.update({ time, turn, still });
    view.player.update({ time, turn });
    if (view.beliefs) view.beliefs.update({ turn });
    stage(view);
  }

  // The frame at the cursor, in large, and where it lies in the whole picture.
  function stage(view) {
    const frame = Looks.at(view.question, view.episode, view.turn, view.time);
    if (frame === view.shown && view.stage.childElementCount) return;
    view.shown = frame;
    if (!frame) {
      view.stage.replaceChildren(Dom.h("p", { class: "note" }, "It was shown no frame."));
      return;
    }
    const pictures = Frames.pair(view.question, frame);
    const words = Looks.frameWords(frame);
    const enlarge = () => Enlarged.open(view.question, view.episode, frame);
    view.stage.replaceChildren(
      Dom.h("div", { class: "stage-words" },
        Dom.h("p", {}, `${words[0].toUpperCase()}${words.slice(1)} `, ...Frames.badgesOf(frame)),
        pictures.length ? Dom.h("button", { type: "button", onclick: enlarge }, "Enlarge") : null),
      Dom.h("div", { class: "pairs" }, ...(pictures.length ? pictures : [Frames.missing(view.question)])));
  }

  function write(view) {
    view.told = { turn: view.turn, t: Math.round(view.time * 1000) / 1000 };
    State.set(view.told, { replace: true });
  }

  // The address has changed: by us a moment ago, or by a link or the page's keys.
  function follow(view, state) {
    if (!view.timeline) return;
    if ("w" in state || view.window) view.timeline.update({ window: state.w || null });
    view.window = state.w || null;
    const told = view.told || {};
    const steps = Looks.steps(view.episode);
    const turn = steps.some((step) => step.turn === state.turn) && state.turn !== told.turn ? state.turn : null;
    const time = typeof state.t === "number" && state.t !== told.t ? state.t : null;
    if (turn === null && time === null) return;
    view.told = { turn: state.turn, t: state.t };
    if (time === null) toTurn(view, turn);
    else {
      view.time = time;
      view.turn = turn === null ? view.turn : turn;
      tell(view);
    }
  }

  // To the next turn, or the one before.
  function step(by) {
    if (!current || !current.timeline) return;
    const turns = Looks.steps(current.episode).map((one) => one.turn);
    const next = turns[turns.indexOf(current.turn) + by];
    if (next !== undefined) toTurn(current, next);
  }

  const play = () => current && current.player && current.player.toggle();

  function printed(on) {
    if (!current || !current.timeline || !current.root.isConnected) return;
    if (on) current.timeline.print();
    current.turns.print(on);
    Picture.fillAll(current.root);
  }

  window.addEventListener("beforeprint", () => printed(true));
  window.addEventListener("afterprint", () => printed(false));

  return { show, hide: leave, step, play };
})();
