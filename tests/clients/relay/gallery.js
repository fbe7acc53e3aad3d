// The documents of a gallery as a Relay application writes them. Only relay-compiler reads this file: without its
// Babel plugin `graphql` cannot run, so the tests load what the compiler makes of them.
const { graphql } = require('relay-runtime');

graphql`
  query galleryQuery(
    $first: Int
    $after: String
    $last: Int
    $before: String
    $filter: AssetFilter
    $orderBy: AssetOrder
  ) {
    ...gallery_assets
      @arguments(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy)
  }
`;

graphql`
  fragment gallery_assets on Query
  @argumentDefinitions(
    first: { type: "Int" }
    after: { type: "String" }
    last: { type: "Int" }
    before: { type: "String" }
    filter: { type: "AssetFilter" }
    orderBy: { type: "AssetOrder" }
  )
  @refetchable(queryName: "galleryAssetsPaginationQuery") {
    assets(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy)
      @connection(key: "gallery_assets") {
      __id
      totalCount
      sourceResults {
        source {
          id
          name
        }
        status
        isComplete
        totalCount
        fetchedAt
      }
      edges {
        node {
          id
          ...gallery_asset
        }
      }
    }
  }
`;

graphql`
  fragment gallery_asset on Asset @refetchable(queryName: "galleryAssetRefetchQuery") {
    name
    tags
    note
    thumbnailUrl(size: LARGE)
    source {
      ...gallery_source
    }
    details {
      __typename
      ... on ScenarioDetails {
        metadata {
          prompt
        }
      }
      ... on PiktidDetails {
        filename
      }
      ... on ComfyDetails {
        hash
      }
    }
  }
`;

graphql`
  fragment gallery_source on AssetSource @refetchable(queryName: "gallerySourceRefetchQuery") {
    name
    provider
    capabilities {
      canUpload
      orderFields
    }
  }
`;

graphql`
  query galleryChildrenQuery($id: ID!, $first: Int, $last: Int) {
    asset(id: $id) {
      ...gallery_children @arguments(first: $first, last: $last)
    }
  }
`;

graphql`
  fragment gallery_children on Asset
  @argumentDefinitions(
    first: { type: "Int" }
    after: { type: "String" }
    last: { type: "Int" }
    before: { type: "String" }
  )
  @refetchable(queryName: "galleryChildrenPaginationQuery") {
    children(first: $first, after: $after, last: $last, before: $before) @connection(key: "gallery_children") {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`;

graphql`
  mutation galleryAppendUploadMutation($input: UploadAssetInput!, $connections: [ID!]!) {
    uploadAsset(input: $input) {
      asset @appendNode(connections: $connections, edgeTypeName: "AssetEdge") {
        id
        ...gallery_asset
      }
      upload {
        upstreamId
        status
      }
      errors {
        code
        message
      }
    }
  }
`;

graphql`
  mutation galleryPrependUploadMutation($input: UploadAssetInput!, $connections: [ID!]!) {
    uploadAsset(input: $input) {
      asset @prependNode(connections: $connections, edgeTypeName: "AssetEdge") {
        id
        ...gallery_asset
      }
      errors {
        code
        message
      }
    }
  }
`;

graphql`
  mutation galleryDeleteMutation($input: DeleteAssetInput!, $connections: [ID!]!) {
    deleteAsset(input: $input) {
      deletedId @deleteEdge(connections: $connections)
      errors {
        code
        message
      }
    }
  }
`;

graphql`
  mutation galleryDeleteRecordMutation($input: DeleteAssetInput!) {
    deleteAsset(input: $input) {
      deletedId @deleteRecord
      errors {
        code
        message
      }
    }
  }
`;

graphql`
  mutation galleryBulkDeleteMutation($input: BulkDeleteAssetsInput!, $connections: [ID!]!) {
    bulkDeleteAssets(input: $input) {
      deletedIds @deleteEdge(connections: $connections)
      notTriedIds
      errors {
        code
        assetId
      }
    }
  }
`;

graphql`
  mutation galleryBulkDeleteRecordsMutation($input: BulkDeleteAssetsInput!) {
    bulkDeleteAssets(input: $input) {
      deletedIds @deleteRecord
      notTriedIds
      errors {
        code
        assetId
      }
    }
  }
`;

graphql`
  mutation galleryAddTagsMutation($input: AddAssetTagsInput!) {
    addAssetTags(input: $input) {
      assets {
        id
        tags
      }
      errors {
        code
        message
      }
    }
  }
`;

graphql`
  mutation gallerySetNoteMutation($input: SetAssetNoteInput!) {
    setAssetNote(input: $input) {
      asset {
        id
        note
      }
      errors {
        code
        message
      }
    }
  }
`;
