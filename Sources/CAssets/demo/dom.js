// Building pages without ever reading text as HTML.

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function show(id, ...children) {
  document.getElementById(id).replaceChildren(...children);
}

export function alertBox(message) {
  return element("div", { className: "alert", role: "alert", textContent: message });
}

/// A table with a caption; each column is a heading and a function from a resource to text.
export function table(caption, columns, resources) {
  const head = element("tr", {}, ...columns.map(([heading]) => element("th", { scope: "col", textContent: heading })));
  const rows = resources.map((resource) =>
    element("tr", {}, ...columns.map(([, cell]) => element("td", { textContent: cell(resource) ?? "" }))));
  // What scrolls sideways on a phone has to be reached by keyboard.
  return element("div", { className: "table", tabIndex: 0, role: "group", ariaLabel: caption },
    element("table", {}, element("caption", { textContent: caption }), element("thead", {}, head), element("tbody", {}, ...rows)));
}
