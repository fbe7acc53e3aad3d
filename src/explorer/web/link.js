// Deep links: the open tab is kept in the page's address, so that it can be
// copied, bookmarked and reloaded: `/?query=…&variables=…&operationName=…`.

const NAMES = ["query", "variables", "operationName"];

// The address goes to the server on a reload, and servers and proxies refuse a
// long one (8 KiB is a common limit). A larger query simply has no link; it is
// still in GraphiQL's own storage.
const LONGEST_ADDRESS = 6000;

export function readLink() {
  const params = new URLSearchParams(location.search);
  return Object.fromEntries(NAMES.map((name) => [name, params.get(name) || undefined]));
}

export function writeLink(tab) {
  const url = new URL(location.href);
  for (const name of NAMES) {
    if (tab[name]?.trim()) url.searchParams.set(name, tab[name]);
    else url.searchParams.delete(name);
  }
  if (url.href.length > LONGEST_ADDRESS) url.search = "";
  if (url.href !== location.href) history.replaceState(history.state, "", url);
}
