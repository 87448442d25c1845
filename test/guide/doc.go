// Package guide tests the GitOps workflow guide to the letter: the guide's text, a running demo and the real programs go
// in; every command of the guide is run, in order, and what it does is checked.
package guide
