import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: '../schema.graphql',
  documents: ['gallery.ts'],
  generates: {
    './generated/': {
      preset: 'client',
      presetConfig: {
        fragmentMasking: { unmaskFunctionName: 'readFragment' },
        // Only with typed document nodes that import their fragments, which is what the preset makes unasked.
        persistedDocuments: true,
      },
      config: {
        enumType: 'string-literal',
        strictScalars: true,
        useTypeImports: true,
        scalars: {
          ByteSize: 'number',
          DateTime: 'string',
          JSON: 'unknown',
          URL: 'string',
          Upload: 'File',
          _Any: 'unknown',
        },
      },
    },
  },
  importExtension: '.js',
};

export default config;
