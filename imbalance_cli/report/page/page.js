"use strict";
/* Everything here is a convenience: without it the page shows all it has, in one order. */
(() => {
  const byId = (id) => document.getElementById(id);
  const PAGE = 100; // rows of a paged table shown at once

  // ---------------------------------------------------------------------------- light and dark

  const root = document.documentElement;
  const theme = byId("theme");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
  const store = (value) => {
    // a page opened from a file may be denied a store; then the choice lasts as long as the page
    try {
      if (value) localStorage.setItem("imbtrain-theme", value);
      return localStorage.getItem("imbtrain-theme");
    } catch {
      return null;
    }
  };
  const nameTheme = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", `Show on ${isDark() ? "light" : "dark"} paper`);
  };
  const kept = store();
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    store(root.dataset.theme);
    nameTheme();
  });
  prefersDark.addEventListener("change", nameTheme);
  nameTheme();
  theme.hidden = false;

  // ------------------------------------------------------------------------------ the table

  const startTable = (table) => {
    const body = table.tBodies[0];
    const only = byId("only"); // shows the rows of one class alone
    const rows = Array.from(body.rows, (row) => ({
      row,
      name: row.cells[0].textContent.toLowerCase(),
      isMarked: row.classList.contains(only.dataset.rows),
    }));
    const paged = table.classList.contains("paged");
    const heads = Array.from(table.tHead.rows[0].cells);
    let shown = rows;
    let first = 0;

    const keyOf = (cell, column) => {
      if (column === 0) return cell.textContent.toLowerCase();
      const text = cell.dataset.v ?? cell.firstChild?.textContent ?? ""; // its interval comes after
      const number = parseFloat(text.replaceAll(",", ""));
      return Number.isNaN(number) ? null : number;
    };

    const show = () => {
      const page = paged ? shown.slice(first, first + PAGE) : shown;
      body.replaceChildren(...page.map((entry) => entry.row));
      const all = rows.length.toLocaleString("en");
      byId("count").textContent =
        shown.length === rows.length
          ? `${all} labels`
          : `${shown.length.toLocaleString("en")} of ${all} labels`;
      byId("pages").hidden = !paged || shown.length <= PAGE;
      const last = Math.min(first + PAGE, shown.length);
      byId("page").textContent = `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")}`;
      byId("back").disabled = first === 0;
      byId("next").disabled = last === shown.length;
    };

    const filter = () => {
      const wanted = byId("filter").value.trim().toLowerCase();
      shown = rows.filter((entry) => (!only.checked || entry.isMarked) && entry.name.includes(wanted));
      first = 0;
      show();
    };

    const sort = (column) => {
      const head = heads[column];
      const start = column === 0 ? "ascending" : "descending"; // numbers: the largest first
      const other = start === "ascending" ? "descending" : "ascending";
      const direction = head.getAttribute("aria-sort") === start ? other : start;
      heads.forEach((each) => each.hasAttribute("aria-sort") && each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      for (const entry of rows) entry.key = keyOf(entry.row.cells[column], column);
      rows.sort((a, b) => {
        if (a.key === null || b.key === null) return (a.key === null) - (b.key === null); // last
        return (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) * sign;
      });
      filter();
    };

    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(column));
    });
    for (const control of [byId("filter"), only]) control.addEventListener("input", filter);
    byId("wide")?.addEventListener("input", () => {
      table.classList.toggle("wide", byId("wide").checked);
    });
    byId("metric")?.addEventListener("change", () => {
      table.dataset.metric = byId("metric").value;
    });
    byId("back").addEventListener("click", () => {
      first = Math.max(first - PAGE, 0);
      show();
    });
    byId("next").addEventListener("click", () => {
      first += PAGE;
      show();
    });
    byId("controls").hidden = false;
    show();
  };
  if (byId("table")) startTable(byId("table")); // a run with one label has none

  // ------------------------------------------------------------------------- label by label

  const labels = Array.from(document.querySelectorAll("details.label"));
  const openAll = byId("open-all");
  const setAll = (open) => labels.forEach((label) => (label.open = open));
  if (openAll) {
    const nameButton = () => {
      openAll.textContent = labels.every((label) => label.open) ? "Close all" : "Open all";
    };
    openAll.addEventListener("click", () => setAll(!labels.every((label) => label.open)));
    labels.forEach((label) => label.addEventListener("toggle", nameButton));
    nameButton();
    openAll.hidden = false;
  }
  const openTarget = () => {
    const target = location.hash && byId(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", openTarget);
  openTarget();
  addEventListener("beforeprint", () => setAll(true));

  // ------------------------------------------------------------------ what scrolls says so

  const markWider = (entries) => {
    for (const { target } of entries) {
      const region = target.closest(".scroll");
      region.classList.toggle("wider", region.scrollWidth > region.clientWidth);
    }
  };
  const sizes = new ResizeObserver(markWider);
  for (const region of document.querySelectorAll(".scroll")) {
    sizes.observe(region);
    sizes.observe(region.firstElementChild);
  }
})();
