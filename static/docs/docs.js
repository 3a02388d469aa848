// Shows /openapi.json: routes by tag, each with its parameters, bodies and answers.
// Everything is put in as text, never as HTML.

const METHODS = ["get", "post", "patch", "put", "delete"];
const DEEPEST = 6;

/** An element with properties and children. */
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A schema as indented lines close to JSON: names, types, limits. */
function describe(schema, components, depth = 0) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return depth > DEEPEST ? name : describe(components[name], components, depth);
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((each) => describe(each, components, depth)).join(" | ");
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.type === "array") return `[${describe(schema.items ?? {}, components, depth)}, …]${limits(schema)}`;
  if (schema.type === "object" && schema.properties) return describeFields(schema, components, depth);
  if (schema.type === "object") return `{…}${limits(schema)}`;
  return (schema.format ?? [schema.type ?? "any"].flat().join(" | ")) + limits(schema);
}

function describeFields(schema, components, depth) {
  const required = new Set(schema.required);
  const inner = "  ".repeat(depth + 1);
  const lines = Object.entries(schema.properties).map(([name, each]) => {
    const says = each.description ? `  // ${each.description}` : "";
    return `${inner}${name}${required.has(name) ? "" : "?"}: ${describe(each, components, depth + 1)}${says}`;
  });
  return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
}

/** The limits of a value, in brackets. */
function limits(schema) {
  const least = schema.minimum ?? schema.minLength ?? schema.minItems;
  const most = schema.maximum ?? schema.maxLength ?? schema.maxItems ?? schema.maxProperties;
  const range = least === undefined && most === undefined ? "" : ` (${least ?? ""}…${most ?? ""})`;
  return range + ("default" in schema ? ` = ${JSON.stringify(schema.default)}` : "");
}

function rows(pairs) {
  return make("table", {}, ...pairs.map((cells) =>
    make("tr", {}, ...cells.map((cell) => make("td", {}, cell)))));
}

function section(title, ...children) {
  return [make("h3", { textContent: title }), ...children];
}

function contents(content, components) {
  return Object.entries(content ?? {}).flatMap(([type, { schema }]) =>
    [make("p", {}, make("code", { textContent: type })), make("pre", { textContent: describe(schema, components) })]);
}

function routeDetails(operation, components) {
  const inside = make("div", {});
  if (operation.description) inside.append(make("p", { textContent: operation.description }));
  if (operation.parameters?.length) {
    inside.append(...section("Parameters", rows(operation.parameters.map((each) =>
      [make("code", { textContent: each.name }), each.in, describe(each.schema, components)]))));
  }
  if (operation.requestBody) inside.append(...section("Body", ...contents(operation.requestBody.content, components)));
  const answers = Object.entries(operation.responses);
  for (const [status, answer] of answers.filter(([status]) => status < "400")) {
    inside.append(...section(`Answer ${status}`, ...contents(answer.content, components)));
  }
  inside.append(...section("Failures", rows(answers.filter(([status]) => status >= "400").map(
    ([status, answer]) => [make("code", { textContent: status }), answer.description]))));
  return inside;
}

function routeElement(method, path, operation, components) {
  const scope = operation.security?.[0].bearer[0] ?? (operation.security ? "own token" : "open");
  const element = make("details", { className: "route", id: operation.operationId },
    make("summary", {},
      make("code", { className: `method ${method}`, textContent: method.toUpperCase() }),
      make("code", { textContent: path }),
      make("span", { className: "scope", textContent: scope }),
      make("span", { className: "says", textContent: operation.summary })));
  // Filled when it is opened: most routes never are.
  element.addEventListener("toggle", () => element.append(routeDetails(operation, components)), { once: true });
  return element;
}

/** Where the `type` of a problem leads to: `/docs#not_found`. */
function errorSection(errors) {
  const table = rows(errors.map(({ code, status, title }) =>
    [make("code", { textContent: status }), make("code", { id: code, textContent: code }), title]));
  return make("section", {}, make("h2", { textContent: "error codes" }), table);
}

function show(api) {
  const sections = new Map();
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((each) => each in operations)) {
      const tag = operations[method].tags[0];
      if (!sections.has(tag)) sections.set(tag, make("section", {}, make("h2", { textContent: tag })));
      sections.get(tag).append(routeElement(method, path, operations[method], api.components.schemas));
    }
  }
  sections.set("errors", errorSection(api["x-errors"] ?? []));
  document.querySelector("#about").textContent = `${api.info.title} ${api.info.version}. ${api.info.description}`;
  document.querySelector("#routes").replaceChildren(...sections.values());
  const asked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (asked instanceof HTMLDetailsElement) asked.open = true;
  asked?.scrollIntoView();
}

document.querySelector("#filter").addEventListener("input", ({ target }) => {
  const wanted = target.value.toLowerCase();
  for (const group of document.querySelectorAll("section")) {
    const found = [...group.querySelectorAll(".route")].filter((each) => {
      each.hidden = !each.firstElementChild.textContent.toLowerCase().includes(wanted);
      return !each.hidden;
    });
    group.hidden = wanted !== "" && found.length === 0;
  }
});

const response = await fetch("/openapi.json");
show(await response.json());
