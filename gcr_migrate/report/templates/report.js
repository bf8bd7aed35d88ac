"use strict";

// Long tables: their data is in the page as columns of JSON, and rows are made when they are seen.
// Every text of a stranger becomes a text node, never markup.

const ROWS_AT_ONCE = 50;
const ROWS_IN_PRINT = 1000;
const NAMES_AT_ONCE = 12;
const CHARACTERS_AT_ONCE = 300;
const WORDS_TO_CHOOSE = 60;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const TABLES = [];

function make(tag, settings, ...children) {
  const made = Object.assign(document.createElement(tag), settings);
  made.append(...children);
  return made;
}

function count(number) {
  return number.toLocaleString("en");
}

function size(bytes) {
  if (bytes < 0) return "unknown";
  let value = bytes, unit = 0;
  while (Math.round(value * 10) >= 10240 && unit < UNITS.length - 1) { value /= 1024; unit += 1; }
  return unit ? `${value.toFixed(1)} ${UNITS[unit]}` : `${bytes} B`;
}

function unpack(column) {
  if (column.words) return column.n.map((at) => column.words[at]);
  if (column.n) return column.n;
  let last = "";
  return column.rest.map((rest, at) => (last = last.slice(0, column.alike[at]) + rest));
}

class LongTable {
  constructor(section) {
    const data = JSON.parse(document.getElementById(`${section.id}-data`).textContent);
    this.section = section;
    this.key = data.key;
    this.columns = data.columns.map((column) => ({ ...column, values: unpack(column) }));
    this.all = Array.from({ length: data.rows }, (_, at) => at);
    this.found = this.all;
    this.opened = new Set();
    this.from = 0;
    this.only = null;
    this.sorted = { at: -1, down: false };
    this.body = section.querySelector("tbody");
    this.state = section.querySelector(".state");
    this.pager = section.querySelector(".pager");
    this.addControls();
    this.addSorting();
    this.pager.querySelector(".back").onclick = () => this.turn(-ROWS_AT_ONCE);
    this.pager.querySelector(".on").onclick = () => this.turn(ROWS_AT_ONCE);
    this.draw();
  }

  addControls() {
    const form = this.section.querySelector(".controls");
    this.words = make("input", { type: "search", autocomplete: "off", spellcheck: false });
    form.append(make("label", { className: "words" }, "Search: all of these words", this.words));
    this.choices = [];
    for (const column of this.columns) {
      const number = column.kind === "text" ? 0 : (column.words || []).length;
      if (number < 2 || number > WORDS_TO_CHOOSE) continue;
      const select = make("select", {}, make("option", { value: "" }, "all"));
      column.words.forEach((word, at) => select.append(make("option", { value: at }, word.slice(0, 60) || "none")));
      form.append(make("label", {}, column.label, select));
      this.choices.push({ column, select });
    }
    this.whole = make("button", { type: "button", hidden: true }, "Show all rows");
    this.whole.onclick = () => { history.replaceState(null, "", "#"); this.showAll(); };
    form.append(this.whole);
    form.onsubmit = (event) => event.preventDefault();
    form.oninput = () => { this.only = null; this.filter(); };
    form.hidden = false;
  }

  addSorting() {
    this.heads = [...this.section.querySelectorAll("thead th")];
    this.heads.forEach((head, at) => {
      const button = make("button", { type: "button", className: "sort" }, head.textContent);
      button.onclick = () => this.sort(at);
      head.replaceChildren(button);
    });
  }

  // What is searched: each row in small letters, made once.
  get texts() {
    const lists = this.columns.filter((column) => !["number", "size"].includes(column.kind));
    const texts = this.all.map((row) => lists.map((one) => one.values[row]).join("\n").toLowerCase());
    Object.defineProperty(this, "texts", { value: texts });
    return texts;
  }

  filter() {
    const words = this.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = this.choices.filter((one) => one.select.value !== "");
    const wanted = chosen.map((one) => [one.column.n, Number(one.select.value)]);
    let rows = this.only || this.all;
    for (const [numbers, number] of wanted) rows = rows.filter((row) => numbers[row] === number);
    if (words.length) {
      const texts = this.texts;
      rows = rows.filter((row) => words.every((word) => texts[row].includes(word)));
    }
    this.found = rows;
    this.from = 0;
    this.whole.hidden = !(words.length || wanted.length || this.only);
    this.order();
    this.draw();
  }

  sort(at) {
    const again = this.sorted.at === at;
    this.sorted = again && this.sorted.down ? { at: -1, down: false } : { at, down: again };
    this.heads.forEach((head, one) => {
      if (one === this.sorted.at) {
        head.setAttribute("aria-sort", this.sorted.down ? "descending" : "ascending");
      } else {
        head.removeAttribute("aria-sort");
      }
    });
    this.filter();
  }

  order() {
    if (this.sorted.at < 0) return;
    const values = this.columns[this.sorted.at].values;
    const sign = this.sorted.down ? -1 : 1;
    const compare = (a, b) => (values[a] < values[b] ? -sign : values[a] > values[b] ? sign : a - b);
    this.found = [...this.found].sort(compare);
  }

  turn(by) {
    this.from = Math.max(0, Math.min(this.from + by, this.found.length - 1));
    this.draw();
    this.section.querySelector("h2").scrollIntoView();
  }

  draw(number = ROWS_AT_ONCE) {
    const rows = this.found.slice(this.from, this.from + number);
    this.body.replaceChildren(...rows.map((row) => this.row(row)));
    const until = this.from + rows.length;
    const span = rows.length ? `${count(this.from + 1)} to ${count(until)} of ` : "";
    const kept = this.found.length === this.all.length ? "" : `, ${count(this.all.length)} in all`;
    this.state.textContent = `Rows ${span}${count(this.found.length)}${kept}`;
    this.pager.hidden = this.found.length <= number;
    this.pager.querySelector(".back").disabled = this.from === 0;
    this.pager.querySelector(".on").disabled = until >= this.found.length;
  }

  row(row) {
    const made = make("tr", {});
    made.setAttribute("role", "row");
    this.columns.forEach((column, at) => {
      const cell = make(at ? "td" : "th", { className: column.kind });
      cell.setAttribute("role", at ? "cell" : "rowheader");
      if (!at) cell.scope = "row";
      cell.dataset.label = column.label;
      this.fill(cell, column, at, row);
      made.append(cell);
    });
    if (this.only) made.setAttribute("aria-current", "true");
    return made;
  }

  fill(cell, column, at, row) {
    const value = column.values[row];
    if (column.kind === "number") return cell.append(count(value));
    if (column.kind === "size") return cell.append(size(value));
    const whole = this.opened.has(row);
    const names = column.kind === "names" ? value.split(" ") : [];
    let shown = value, more = "";
    if (!whole && names.length > NAMES_AT_ONCE) {
      shown = names.slice(0, NAMES_AT_ONCE).join(" ");
      more = `${count(names.length - NAMES_AT_ONCE)} more`;
    }
    if (!whole && shown.length > CHARACTERS_AT_ONCE) {
      shown = `${[...shown.slice(0, CHARACTERS_AT_ONCE)].slice(0, -1).join("")}…`;
      more = more || `${count(value.length)} characters`;
    }
    const text = make("bdi", {}, shown);
    const note = column.kind === "code" && document.querySelector(`[id$="-${CSS.escape(value)}"]`);
    if (at === 0) text.replaceChildren(make("a", { href: `#${this.key}=${link(value)}` }, shown));
    else if (note) text.replaceChildren(make("a", { href: `#${note.id}` }, shown));
    cell.append(text);
    if (more) {
      const button = make("button", { type: "button", className: "more" }, more);
      button.onclick = () => this.open(row, cell.parentElement);
      cell.append(button);
    }
  }

  open(row, old) {
    this.opened.add(row);
    const made = this.row(row);
    old.replaceWith(made);
    made.querySelector("a").focus();
  }

  showAll() {
    this.only = null;
    this.words.value = "";
    this.choices.forEach((one) => { one.select.value = ""; });
    this.filter();
  }

  // Show the rows with this name, and say whether there are any.
  point(name) {
    const names = this.columns.filter((column) => column.kind === "name");
    const rows = this.all.filter((row) => names.some((column) => column.values[row] === name));
    if (!rows.length) return false;
    this.showAll();
    this.only = rows;
    this.opened.add(rows[0]);
    this.filter();
    this.section.scrollIntoView();
    this.body.querySelector("a").focus({ preventScroll: true });
    return true;
  }
}

function link(name) {
  // A half character, as a damaged name may have, cannot be written into an address.
  return encodeURIComponent(name.toWellFormed ? name.toWellFormed() : name);
}

function follow() {
  const [, key, name] = /^#([a-z-]+)=(.*)$/s.exec(location.hash) || [];
  let told = "";
  try { told = decodeURIComponent(name || ""); } catch { return; }
  if (key) {
    TABLES.some((table) => table.key === key && table.point(told));
    return;
  }
  const note = document.getElementById(location.hash.slice(1));
  if (note && note.tagName === "DETAILS") note.open = true;
}

// One table after the other, so that the page can be read meanwhile.
function begin(sections) {
  const [first, ...others] = sections;
  if (!first) {
    follow();
    addEventListener("hashchange", follow);
    document.documentElement.dataset.ready = "yes";
    return;
  }
  const table = new LongTable(first);
  TABLES.push(table);
  setTimeout(() => { table.texts; begin(others); });
}

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((one) => { one.open = true; });
  TABLES.forEach((table) => table.draw(ROWS_IN_PRINT));
});
addEventListener("afterprint", () => {
  closed.forEach((one) => { one.open = false; });
  TABLES.forEach((table) => table.draw());
});
requestAnimationFrame(() => setTimeout(() => begin([...document.querySelectorAll(".long")])));
