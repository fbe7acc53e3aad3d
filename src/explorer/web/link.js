// Deep links: the page's URL contains the open tab, so that it can be copied,
// bookmarked and reloaded: `/?query=…&variables=…&operationName=…`.

const NAMES = ["query", "variables", "operationName"];

// A reload sends the URL to the server, and servers and proxies refuse a long one
// (8 KiB is a common limit). A larger query has no link; it is still in
// GraphiQL's own storage.
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
