import eslint from '@eslint/js'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

// The rooms that hold machines and codecs: time, randomness and bytes are handed in, never fetched.
const pureRooms = [
  'src/core/**/*.ts',
  'src/crypto/**/*.ts',
  'src/stun/**/*.ts',
  'src/natprobe/**/*.ts',
  'src/traversal/**/*.ts',
  'src/reliable-udp/**/*.ts',
  'src/protocol/**/*.ts',
  'src/tcp/**/*.ts',
]
const outsideGlobals = [
  'Date',
  'performance',
  'process',
  'console',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'fetch',
  'crypto',
]

export default defineConfig(
  { ignores: ['dist/', 'coverage/', 'src/protocol/peer/generated/', 'scripts/stubs/'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { allowDefaultCaseForExhaustiveSwitch: false, requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Name what you export' },
      ],
    },
  },
  {
    files: pureRooms,
    ignores: ['src/natprobe/main.ts', 'src/natprobe/command/**'], // the command: it has I/O
    rules: {
      'no-restricted-globals': ['error', ...outsideGlobals],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Randomness is handed in' },
        { object: 'globalThis', property: 'crypto', message: 'Randomness is handed in' },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // `describe` and `it` return promises that mocha itself awaits.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
    },
  },
  {
    // The peers of a bench are whole programs in plain JavaScript: their packages have no types.
    files: ['scripts/bench/**/*.mjs'],
    languageOptions: {
      globals: {
        Buffer: 'readonly',
        clearInterval: 'readonly',
        clearTimeout: 'readonly',
        performance: 'readonly',
        queueMicrotask: 'readonly',
        setInterval: 'readonly',
        setTimeout: 'readonly',
      },
    },
  },
  {
    files: ['**/*.mjs', '**/*.js', '**/*.cjs'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly', module: 'writable' },
    },
  },
)
