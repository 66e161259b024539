"use strict";
(() => {
  document.documentElement.classList.add("scripted");
  // What is hovered, tapped or focused is said under its picture; arrow keys walk through a picture's items.
  for (const figure of document.querySelectorAll("figure")) {
    const items = [...figure.querySelectorAll(".item")];
    const out = figure.querySelector(".readout");
    if (!items.length || !out) continue;
    const before = out.textContent;
    const say = (item) => {
      const title = item && item.querySelector("title");
      out.textContent = title ? title.textContent : item ? item.getAttribute("aria-label") : before;
      out.classList.toggle("on", Boolean(item));
    };
    let current = Math.max(items.findIndex((item) => item.classList.contains("top")), 0);
    items.forEach((item, index) => item.setAttribute("tabindex", index === current ? "0" : "-1"));
    const find = (event) => event.target.closest && event.target.closest(".item");
    figure.addEventListener("mouseover", (event) => { const item = find(event); if (item) say(item); });
    figure.addEventListener("mouseleave", () => say(null));
    figure.addEventListener("click", (event) => { const item = find(event); if (item) say(item); });
    figure.addEventListener("focusin", (event) => { const item = find(event); if (item) say(item); });
    figure.addEventListener("focusout", () => say(null));
    figure.addEventListener("keydown", (event) => {
      const to = { ArrowRight: current + 1, ArrowDown: current + 1, ArrowLeft: current - 1, ArrowUp: current - 1,
        Home: 0, End: items.length - 1 }[event.key];
      if (to === undefined || !find(event)) return;
      event.preventDefault();
      items[current].setAttribute("tabindex", "-1");
      current = Math.min(Math.max(to, 0), items.length - 1);
      items[current].setAttribute("tabindex", "0");
      items[current].focus();
    });
  }
  // Paper cannot be unfolded.
  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details.pictures")) folded.open = true;
  });
  const value = (cell) => {
    if (cell.dataset.o) return Number.parseFloat(cell.dataset.o);
    const text = cell.dataset.v || cell.textContent.replaceAll(",", "").replace("[", "");
    const number = Number.parseFloat(text);
    return cell.classList.contains("n") ? (Number.isNaN(number) ? -1 : number) : text;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        // Figures are asked for from the largest down.
        const first = head.classList.contains("n") && column ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const keyed = [...body.rows].map((row) => [value(row.cells[column]), row]);
        keyed.sort(([a], [b]) => sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true })));
        body.replaceChildren(...keyed.map(([, row]) => row));
      });
    });
    const section = table.closest("section");
    const input = section.querySelector(".find");
    if (!input) continue;
    const count = section.querySelector(".count");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = words.length ? `${shown} of ${body.rows.length}` : "";
    });
  }
})();
