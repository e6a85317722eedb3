// mocha's one `--import` (of several, only the last would count).
// Only tsx's ESM half: with the other one mocha would load test files as CommonJS, and whatever they import by
// `import()` a second time, as other classes of the same name.
import 'tsx/esm'

// mocha alone leaves a test green when a promise outside its awaited chain rejects.
process.on('unhandledRejection', (reason) => {
  throw reason
})
