// The documents of apollo.test.mjs, kept apart for the tool that makes Apollo's manifest of them.
import { gql } from '@apollo/client';

export const ASSETS = gql`
  query Assets($first: Int, $after: String, $last: Int, $before: String, $filter: AssetFilter, $orderBy: AssetOrder) {
    assets(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
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
        cursor
        node {
          id
          name
          tags
          note
          details {
            ... on ComfyDetails {
              hash
            }
          }
        }
      }
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
    }
  }
`;

export const DELETE = gql`
  mutation Delete($input: DeleteAssetInput!) {
    deleteAsset(input: $input) {
      deletedId
      errors {
        code
      }
    }
  }
`;

export const SOURCE = gql`
  query Source($name: String!) {
    assetSource(name: $name) {
      id
      name
    }
  }
`;

export const ADD_TAGS = gql`
  mutation AddTags($input: AddAssetTagsInput!) {
    addAssetTags(input: $input) {
      assets {
        id
        tags
      }
      errors {
        code
      }
    }
  }
`;

export const SET_NOTE = gql`
  mutation SetNote($input: SetAssetNoteInput!) {
    setAssetNote(input: $input) {
      asset {
        id
        note
      }
      errors {
        code
      }
    }
  }
`;

export const REFETCH = gql`
  query Refetch($id: ID!) {
    node(id: $id) {
      ... on Node {
        id
      }
      ... on Asset {
        details {
          ... on ComfyDetails {
            jobId
            isImmutable
          }
        }
      }
    }
  }
`;

export const UPLOAD_TWO = gql`
  mutation UploadTwo($first: UploadAssetInput!, $second: UploadAssetInput!) {
    first: uploadAsset(input: $first) {
      ...Uploaded
    }
    second: uploadAsset(input: $second) {
      ...Uploaded
    }
  }

  fragment Uploaded on UploadAssetPayload {
    asset {
      id
      name
      mimeType
      tags
    }
    upload {
      upstreamId
      status
    }
    steps {
      name
      status
    }
    errors {
      code
      message
    }
  }
`;
