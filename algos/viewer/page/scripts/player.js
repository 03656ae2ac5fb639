// Plays: the clip itself where it lies beside the page, else the frames that were seen, one by one.
//
// Player.create(question, episode, {time, turn, onTime}) -> {update({time}), toggle(), stop(), element}
//   onTime(second, turn or null): the cursor moves, by the clip or by the frames
const Player = (() => {
  const PLAY = "Play the frames seen";
  const SPEEDS = [1, 2, 4, 8]; // frames a second

  function create(question, episode, options) {
    const view = {
      question, episode, time: null, turn: null, onTime: () => {}, ...options,
      video: null, own: false, timer: null, speed: 2, address: null,
      screen: Dom.h("div", { class: "screen" }),
      says: Dom.h("p", { class: "note player-says", role: "status" }),
    };
    const button = (text, act) => Dom.h("button", { type: "button", onclick: act }, text);
    view.play = button(PLAY, () => flip(view));
    view.play.disabled = !Looks.frames(question, episode).length;
    const clip = href(question) ? button("Play the clip", () => load(view, href(question))) : null;
    view.element = Dom.h("section", { class: "player", "aria-label": "Player" }, view.screen,
      Dom.h("div", { class: "player-bar" }, view.play, speeds(view), clip, picker(view)), view.says);
    return {
      element: view.element, toggle: () => toggle(view), stop: () => stop(view, true),
      update: (changes) => update(view, changes),
    };
  }

  const href = (question) => (question.video && question.video.href) || null;
  const name = (question) => (question.video && question.video.name) || "the video";

  function speeds(view) {
    const select = Dom.h("select", { "aria-label": "Frames a second" },
      ...SPEEDS.map((speed) => Dom.h("option", { value: String(speed) }, `${speed} a second`)));
    select.value = String(view.speed);
    select.addEventListener("change", () => {
      view.speed = Number(select.value);
      if (view.timer) {
        pause(view);
        start(view);
      }
    });
    return select;
  }

  function picker(view) {
    const input = Dom.h("input", { class: "hidden-text", type: "file", accept: "video/*,.mkv,.avi,.ts" });
    input.addEventListener("change", () => {
      if (!input.files.length) return;
      forget(view);
      view.address = URL.createObjectURL(input.files[0]);
      load(view, view.address);
    });
    const words = Dom.h("span", { class: "hidden-text" }, ` ${name(view.question)}`);
    return Dom.h("label", { class: "picker" }, "Choose its file", words, input);
  }

  // The video element exists only from here on: nothing is asked for before.
  function load(view, address) {
    pause(view);
    unload(view);
    const video = Dom.h("video", { class: "clip", controls: "", preload: "metadata", playsinline: "", "aria-label": "The clip" });
    view.video = video;
    video.addEventListener("timeupdate", () => follow(view));
    video.addEventListener("seeked", () => follow(view));
    video.addEventListener("error", () => failed(view, video));
    video.addEventListener("loadedmetadata", () => {
      if (view.time) seek(view, view.time);
      if (!video.videoWidth) failed(view, video);
    });
    view.says.textContent = "";
    view.screen.replaceChildren(video);
    video.src = address;
    const playing = video.play();
    if (playing) playing.catch(() => {}); // `error` says why, and a browser may want a click first
  }

  function failed(view, video) {
    if (view.video !== video) return;
    view.says.textContent =
      `${name(view.question)} could not be played: it is not where it was when this page was made, or this browser ` +
      "has no decoder for it. Choose its file, or play the frames seen.";
    unload(view);
  }

  function unload(view) {
    const old = view.video;
    view.video = null;
    if (!old) return;
    old.pause();
    old.removeAttribute("src");
    view.screen.replaceChildren();
  }

  // The clip moves the cursor; a cursor moved by others moves the clip.
  function follow(view) {
    if (!view.video || view.video.readyState === 0) return;
    view.time = view.video.currentTime;
    view.onTime(view.time, null);
  }

  function seek(view, time) {
    if (view.video && view.video.readyState > 0 && Math.abs(view.video.currentTime - time) > 0.02) {
      view.video.currentTime = time;
    }
  }

  function update(view, { time, turn }) {
    if (turn !== undefined) view.turn = turn;
    if (time === view.time || time === undefined) return;
    view.time = time;
    if (time !== null) seek(view, time);
  }

  function toggle(view) {
    if (view.video) {
      if (view.video.paused) view.video.play().catch(() => {});
      else view.video.pause();
    } else flip(view);
  }

  function flip(view) {
    if (view.timer) pause(view);
    else start(view);
  }

  function start(view) {
    const frames = Looks.frames(view.question, view.episode);
    if (!frames.length) return;
    view.place = here(view, frames);
    view.timer = setInterval(() => step(view, frames), 1000 / view.speed);
    view.play.textContent = "Pause";
    step(view, frames);
  }

  // Where playing goes on: after the frame at the cursor, from the start after the last.
  function here(view, frames) {
    const found = frames.findIndex((one) => one.turn === view.turn && one.second === view.time);
    return found < 0 ? 0 : (found + 1) % frames.length;
  }

  function step(view, frames) {
    if (!view.element.isConnected || view.place >= frames.length) {
      pause(view);
      return;
    }
    const frame = frames[view.place];
    view.place += 1;
    [view.time, view.turn] = [frame.second, frame.turn];
    view.onTime(frame.second, frame.turn);
    if (view.place >= frames.length) pause(view);
  }

  function pause(view) {
    clearInterval(view.timer);
    view.timer = null;
    view.play.textContent = PLAY;
  }

  function forget(view) {
    if (view.address) URL.revokeObjectURL(view.address);
    view.address = null;
  }

  function stop(view) {
    pause(view);
    unload(view);
    forget(view);
  }

  return { create };
})();
