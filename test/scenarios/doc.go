// Package scenarios runs scenario files: a file that speaks to Git and to the Kubernetes API alone goes in; whether the
// controller of Applications that works there did as the file says comes out. README.md has the format.
package scenarios
