// Package e2e tests Belay from the outside: the real binary, a real Kubernetes API server and real Git repositories over
// HTTP go in; what happens to Applications and their objects is what the tests look at.
package e2e
