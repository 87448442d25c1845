// Package archtest keeps the architecture true: the source files of this module and the table in policy_test.go go in;
// a failing test with the reason comes out for every import, size or habit that breaks the rules.
package archtest
