import "./workers.js";
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { createGraphiQLFetcher, StorageAPI } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import { useEffect, useRef } from "react";
import { createRoot } from "react-dom/client";
import { examples } from "./examples.js";
import { readLink, writeLink } from "./link.js";
import "./entry.css";

const fetcher = createGraphiQLFetcher({
  url: "/graphql",
  // Plain requests and answers: no subscriptions, no @defer or @stream.
  enableIncrementalDelivery: false,
  headers: { accept: "application/graphql-response+json, application/json" },
});

const link = readLink();
if (link.query) {
  // GraphiQL stores the last query and variables apart from the tabs, and only
  // when they are edited. Without this, a link's query would get the variables of
  // the last visit, now or at the next one.
  const storage = new StorageAPI();
  storage.set("query", link.query);
  storage.set("variables", link.variables ?? "");
}

// GraphiQL has no property for the initial operation: `operationName` overrides
// the user's later choices, too. It selects the document's first operation once
// the editor has parsed it. This component then selects the link's operation,
// once.
function ChooseOperation() {
  const operations = useGraphiQL((state) => state.operations);
  const { setOperationName } = useGraphiQLActions();
  const wanted = useRef(link.operationName);
  useEffect(() => {
    if (!operations || !wanted.current) return;
    if (operations.some(({ name }) => name?.value === wanted.current)) {
      setOperationName(wanted.current);
    }
    wanted.current = undefined;
  }, [operations, setOperationName]);
  return null;
}

// The page follows the system's light or dark mode while it is open, but Monaco
// reads the mode only at the start. Setting the theme again (the one chosen in the
// settings, or null for the system's) updates Monaco.
function FollowSystemTheme() {
  const theme = useGraphiQL((state) => state.theme);
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setTheme(theme);
    dark.addEventListener("change", follow);
    return () => dark.removeEventListener("change", follow);
  }, [theme, setTheme]);
  return null;
}

createRoot(document.getElementById("graphiql")).render(
  <GraphiQL
    fetcher={fetcher}
    defaultQuery={examples}
    initialQuery={link.query}
    initialVariables={link.variables}
    // Called for every edit and for every change of the tab.
    onTabChange={({ tabs, activeTabIndex }) => writeLink(tabs[activeTabIndex])}
  >
    <ChooseOperation />
    <FollowSystemTheme />
  </GraphiQL>,
);
