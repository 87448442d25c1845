// Package breaks breaks the example repository in every way that belay check knows: an archive with changes of files and what is to be found
// goes in; the findings of the real check on the changed repository, compared, come out.
package breaks
