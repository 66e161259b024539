"""Documents in the forms that continuous integration reads: annotations, JUnit, SARIF."""
