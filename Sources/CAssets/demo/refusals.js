import { explanation, fhir, session } from "/app/smart.js";
import { alertBox, element, show } from "/app/dom.js";

/// Requests that go too far. `other` is a patient that the token is not about.
function attempts(other, own) {
  const tampered = session().accessToken.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
  return [
    ["Read somebody else's name and address", `Patient/${other}`],
    ["Search somebody else's observations", `Observation?patient=${other}`],
    ["Search everybody's conditions by leaving the patient out, then asking for another", `Condition?subject=Patient/${other}`],
    ["Smuggle a second patient beside one's own", `Observation?patient=${own},${other}`],
    ["Walk through a reference to somebody else", `Observation?patient:Patient._id=${other}`],
    ["Everything about somebody else in one request", `Patient/${other}/$everything`],
    ["A kind of record that was not granted", `AuditEvent`],
    ["Search the whole server", `?_type=Patient,Observation`],
    ["Change one's own record", `Patient/${own}`, { method: "PUT", contentType: "application/fhir+json", body: JSON.stringify({ resourceType: "Patient", id: own }) }],
    ["Delete one's own record", `Patient/${own}`, { method: "DELETE" }],
    ["Come without a token", `Patient/${own}`, { accessToken: "" }],
    ["Come with a forged token", `Patient/${own}`, { accessToken: tampered }],
  ];
}

async function attempt([title, path, options]) {
  const answer = await fhir(path, options);
  const matches = answer.resource?.resourceType === "Bundle"
    ? (answer.resource.entry ?? []).filter((entry) => entry.search?.mode !== "outcome") : null;
  const own = session().patient;
  const foreign = matches?.some((entry) => !JSON.stringify(entry.resource).includes(`Patient/${own}`));
  const refused = answer.status >= 400 || matches?.length === 0;
  const verdict = refused ? "Refused" : foreign === false ? "Own records only" : "Answered";
  return element("section", { className: "card" },
    element("h2", { textContent: title }),
    element("p", {}, element("code", { textContent: `${options?.method ?? "GET"} /${path}` })),
    element("p", {}, element("span", { className: `badge ${verdict === "Answered" ? "answered" : "refused"}`, textContent: verdict }), ` status ${answer.status}`),
    element("pre", { textContent: matches ? `${matches.length} record(s)` : explanation(answer) }));
}

async function run() {
  const own = session().patient;
  const list = attempts(own === "patient-b" ? "patient-a" : "patient-b", own);
  const cards = [];
  for (const [index, one] of list.entries()) {
    show("status", `${index + 1} of ${list.length}`);
    cards.push(await attempt(one));
    show("results", ...cards);
  }
  show("status", `All ${list.length} were tried.`);
}

const button = document.getElementById("run");
if (!session()) {
  show("status", alertBox("Not connected yet."), element("p", {}, element("a", { href: "/", className: "button", textContent: "Connect" })));
} else {
  button.addEventListener("click", () => {
    button.disabled = true;
    run().catch((error) => show("status", alertBox(error.message))).finally(() => { button.disabled = false; });
  });
  button.disabled = false;
}
