// An application in strict TypeScript that reads the graph through the types that codegen makes of its documents.
import type { ApolloClient } from '@apollo/client';
import { graphql } from './generated/gql.js';
import { readFragment, type FragmentType } from './generated/fragment-masking.js';
import type { AssetKind, AssetErrorCode, UploadAssetInput } from './generated/graphql.js';

const tileFragment = graphql(`
  fragment Tile on Asset {
    id
    name
    kind
    size
    createdAt
    thumbnailUrl(size: LARGE)
    details {
      __typename
      ... on ScenarioDetails {
        metadata {
          prompt
        }
      }
      ... on PiktidDetails {
        filename
        dimensions
      }
      ... on ComfyDetails {
        hash
        userMetadata
      }
    }
  }
`);

const galleryQuery = graphql(`
  query Gallery($first: Int!, $after: String, $filter: AssetFilter) {
    assets(first: $first, after: $after, filter: $filter) {
      totalCount
      nodes {
        ...Tile
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      sourceResults {
        status
        error {
          code
        }
      }
    }
  }
`);

const uploadMutation = graphql(`
  mutation Upload($input: UploadAssetInput!) {
    uploadAsset(input: $input) {
      asset {
        ...Tile
      }
      errors {
        code
        message
      }
    }
  }
`);

const icons: Record<AssetKind, string> = {
  IMAGE: 'picture',
  VIDEO: 'film',
  AUDIO: 'note',
  MODEL_3D: 'cube',
  DOCUMENT: 'page',
  TEXT: 'page',
  DATA: 'braces',
  MODEL_WEIGHTS: 'weights',
  OTHER: 'file',
};

export function caption(tile: FragmentType<typeof tileFragment>): string {
  const { name, kind, size, createdAt, details } = readFragment(tileFragment, tile);
  const kilobytes = size == null ? '' : ` ${(size / 1024).toFixed()} KB`;
  const title = `${icons[kind]} ${name}${kilobytes} ${createdAt.slice(0, 10)}`;
  switch (details.__typename) {
    case 'ScenarioDetails':
      return `${title}: ${details.metadata.prompt ?? 'no prompt'}`;
    case 'PiktidDetails':
      return `${title}: ${details.filename?.toUpperCase() ?? 'no file name'} ${details.dimensions?.join('×') ?? ''}`;
    case 'ComfyDetails':
      return `${title}: ${details.hash ?? 'no hash'}`;
    default:
      return details satisfies never;
  }
}

export async function captions(client: ApolloClient, first: number): Promise<string[]> {
  const { data } = await client.query({ query: galleryQuery, variables: { first, filter: { kinds: ['IMAGE'] } } });
  const failed: AssetErrorCode[] = data?.assets?.sourceResults.flatMap(({ error }) => error?.code ?? []) ?? [];
  if (failed.length > 0) throw new Error(failed.join());
  return data?.assets?.nodes.map(caption) ?? [];
}

export async function upload(client: ApolloClient, file: File): Promise<string> {
  const input: UploadAssetInput = {
    source: 'scenario',
    file,
    byteLength: file.size,
    options: { scenario: { kind: 'IMAGE' } },
  };
  const { data } = await client.mutate({ mutation: uploadMutation, variables: { input } });
  const payload = data?.uploadAsset;
  if (!payload?.asset) throw new Error(payload?.errors.map(({ message }) => message).join());
  return caption(payload.asset);
}
