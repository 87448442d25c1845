// Package pipeline runs the pipelines of the example repository: the workflow files go in; every step of them is executed with the
// real program on a real repository, and what it says to the host's API comes out.
package pipeline
