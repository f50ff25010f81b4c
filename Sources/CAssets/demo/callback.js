import { finishLaunch } from "/app/smart.js";
import { alertBox, element, show } from "/app/dom.js";

try {
  const parameters = new URLSearchParams(location.search);
  // The code must not stay in the address bar or the history.
  history.replaceState(null, "", location.pathname);
  await finishLaunch(parameters);
  location.replace("/app/records");
} catch (error) {
  show("heading", "Not connected");
  show("status", alertBox(error.message), element("p", {}, element("a", { href: "/", className: "button", textContent: "Start again" })));
}
