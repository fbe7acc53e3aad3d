// The first tab for a visitor without a deep link and without tabs from an
// earlier visit. Plain GraphQL, comments included.
export const examples = `# Welcome to the asset gateway: one graph over every source it serves.
# Press the run button (or Ctrl-Enter) and pick a query.

# Which sources are there, and what can each do?
query Sources {
  assetSources {
    name
    provider
    capabilities { canUpload tagVocabulary hasExactCount deleteDescription }
  }
}

# The newest assets of all sources as one list, and the result of each source.
# Put "endCursor" of the response into "after" for the next page.
query Newest($first: Int = 10, $after: String) {
  assets(first: $first, after: $after) {
    nodes {
      id
      name
      kind
      createdAt
      source { name }
      thumbnailUrl
      preview { name }
    }
    pageInfo { hasNextPage endCursor }
    sourceResults { source { name } status error { code message } execution { calls rowsRead } }
  }
}

# Fields that only one provider has are in "details", typed.
query Details {
  assets(first: 3, filter: { providers: [SCENARIO] }) {
    nodes {
      name
      tags
      note
      details {
        ... on ScenarioDetails { metadata { prompt modelId seed } properties { size } }
        ... on PiktidDetails { detected { categories } }
        ... on ComfyDetails { hash jobId }
      }
    }
  }
}
`;
