const { reporters } = require('mocha')

/** The dot reporter, closed by the one line that CI reads: `N passed, N failed, N skipped`. */
module.exports = class ClosingLineReporter extends reporters.Dot {
  epilogue() {
    super.epilogue()
    const { passes, failures, pending } = this.stats
    reporters.Base.consoleLog(`${passes} passed, ${failures} failed, ${pending} skipped`)
  }
}
