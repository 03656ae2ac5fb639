// Columns of the table: what a cell says, numbers as numbers, and places for sorting.
const Columns = (() => {
  const LONGEST = 300; // letters of a cell
  const VERDICTS = new Map([[true, "✓ right"], [false, "✗ wrong"]]);
  const NOT_JUDGED = "? not judged";
  const KINDS = ["text", "number", "verdict", "category", "seconds"];
  const ID = { key: "id", title: "Id", kind: "text", about: "Name of the question.", shown: false };
  const ENTRY = { key: "entry", title: "Entry", kind: "category", about: "Who played it.", shown: false };
  const titles = new Map(Data.run.entries.map((entry) => [entry.key, entry.title]));
  const all = listed();
  let numbersOf = new Map();
  let placesOf = new Map();

  function listed() {
    const own = (Data.run.columns || []).map((one) => ({
      key: one.key,
      title: one.title || one.key,
      kind: KINDS.includes(one.kind) ? one.kind : "text",
      about: one.about || "",
      shown: one.shown !== false,
    }));
    const question = own.find((one) => one.key === "question") || {
      key: "question", title: "Question", kind: "text", about: "What was asked.", shown: true,
    };
    const others = own.filter((one) => !["question", "id", "entry"].includes(one.key));
    return [question, ID, ENTRY, ...others];
  }

  // A column by its key, or by the end of it where no other column ends so: `family` for
  // `group.family`; undefined if there is none.
  function find(name) {
    const exact = all.find((one) => one.key === name);
    if (exact) return exact;
    const ends = all.filter((one) => one.key.endsWith(`.${name}`));
    return ends.length === 1 ? ends[0] : undefined;
  }

  // What a category is called: the value as text, an entry by its title.
  const called = (column, value) => (column.key === "entry" ? titles.get(value) || String(value) : String(value));

  // What a cell shows.
  function text(column, i) {
    const value = Data.rows.get(column.key, i);
    if (column.kind === "verdict") return VERDICTS.get(value) || NOT_JUDGED;
    if (value === null) return "";
    if (typeof value === "number") {
      if (column.kind === "seconds") return Dom.clock(value);
      if (column.kind === "number") return Dom.number(value, 4);
    }
    if (column.kind === "category") return called(column, value).slice(0, LONGEST);
    const words = String(value);
    return words.length > LONGEST ? `${words.slice(0, LONGEST - 1)}…` : words;
  }

  // Letters of the longest value of a column that has only a few.
  function longest(column) {
    const packed = Data.rows.column(column.key);
    if (!packed || !packed.names) return 0;
    return packed.names.slice(0, 200).reduce((most, name) => Math.max(most, called(column, name).length), 0);
  }

  // Numbers of a column by row, NaN for none.
  function numbers(key) {
    if (!numbersOf.has(key)) {
      const found = new Float64Array(Data.rows.count);
      for (let i = 0; i < found.length; i++) {
        const value = Data.rows.get(key, i);
        found[i] = typeof value === "number" ? value : NaN;
      }
      numbersOf.set(key, found);
    }
    return numbersOf.get(key);
  }

  const isDigit = (code) => code >= 48 && code <= 57;

  // Order of texts as people count: `q2` before `q10`.
  function natural(a, b) {
    let i = 0;
    let j = 0;
    while (i < a.length && j < b.length) {
      const x = a.charCodeAt(i);
      const y = b.charCodeAt(j);
      if (isDigit(x) && isDigit(y)) {
        const [from, to] = digits(a, i);
        const [start, end] = digits(b, j);
        if (to - from !== end - start) return to - from - (end - start);
        for (let k = 0; k < to - from; k++)
          if (a[from + k] !== b[start + k]) return a.charCodeAt(from + k) - b.charCodeAt(start + k);
        i = to;
        j = end;
      } else if (x !== y) return x - y;
      else {
        i += 1;
        j += 1;
      }
    }
    return a.length - i - (b.length - j);
  }

  // Where a number begins after its zeros, and where it ends.
  function digits(letters, at) {
    let end = at;
    while (end < letters.length && isDigit(letters.charCodeAt(end))) end += 1;
    while (at < end - 1 && letters[at] === "0") at += 1;
    return [at, end];
  }

  // Place of every row's value among the values of a column: equal values share one, -1 for none.
  function places(key) {
    if (!placesOf.has(key)) {
      const column = all.find((one) => one.key === key) || ID;
      const made = ["number", "seconds"].includes(column.kind) ? byNumber(key) : byText(column);
      placesOf.set(key, made);
    }
    return placesOf.get(key);
  }

  async function byNumber(key) {
    const values = numbers(key);
    const ordered = Float64Array.from(new Set(values)).sort();
    const of = new Map();
    for (const value of ordered) if (!Number.isNaN(value)) of.set(value, of.size);
    const found = new Int32Array(values.length);
    await Work.slices(values.length, (from, to) => {
      for (let i = from; i < to; i++) found[i] = Number.isNaN(values[i]) ? -1 : of.get(values[i]);
    });
    return { places: found, count: of.size };
  }

  async function byText(column) {
    const words = new Array(Data.rows.count);
    const seen = new Set();
    await Work.slices(words.length, (from, to) => {
      for (let i = from; i < to; i++) {
        const value = Data.rows.get(column.key, i);
        words[i] = value === null ? null : called(column, value).toLowerCase();
        if (words[i] !== null) seen.add(words[i]);
      }
    });
    const of = new Map((await Work.sorted([...seen], natural)).map((word, place) => [word, place]));
    const found = new Int32Array(words.length);
    await Work.slices(words.length, (from, to) => {
      for (let i = from; i < to; i++) found[i] = words[i] === null ? -1 : of.get(words[i]);
    });
    return { places: found, count: of.size };
  }

  // Which columns the address asks for, in its order; else those that are shown at first.
  function chosen(state, several) {
    const named = state.cols ? state.cols.split(",").map((name) => find(unescaped(name))).filter(Boolean) : [];
    const others = [...new Set(named)].filter((one) => one.key !== "question");
    if (others.length) return [all[0], ...others];
    return all.filter((one) => one.shown || (one.key === "entry" && several) || one.key === "question");
  }

  // Keys of columns as one text of the address.
  const asText = (columns) => columns.map((one) => one.key.replace(/[%,]/g, encodeURIComponent)).join(",");

  function unescaped(name) {
    try {
      return decodeURIComponent(name);
    } catch (error) {
      return name; // somebody's own percent sign
    }
  }

  Data.onLoad(() => {
    numbersOf = new Map();
    placesOf = new Map();
  });

  return { all, find, text, called, longest, numbers, places, chosen, asText, natural };
})();
