package cli

import (
	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
)

func (c *cli) appCommand() *cobra.Command {
	app := c.group("app", "Look at applications, sync them, roll them back",
		`  belay app list
  belay app get callcenter-ai-prod
  belay app diff callcenter-ai-prod
  belay app sync callcenter-ai-prod
  belay app logs callcenter-ai-prod -f`,
		c.appList(), c.appGet(), c.appHistory(), c.appWait(), c.appSync(), c.appRollback(), c.appTerminate(),
		c.appCreate(), c.appSet(), c.appUnset(), c.appEdit(), c.appAddSource(), c.appRemoveSource(), c.appDelete(), c.appPatch(), c.appConfirmDeletion(),
		c.appPlan(), c.appWhy(), c.appDiff(), c.appManifests(), c.appResources(), c.appLogs(),
		c.appGetResource(), c.appPatchResource(), c.appDeleteResource(), c.appActions(),
	)
	app.Aliases = []string{"application", "applications", "apps"}
	return app
}

// qualified is the name under which argocd lists an application.
func qualified(app *v1alpha1.Application) string { return app.Namespace + "/" + app.Name }

// serverOf is the destination cluster: its address, or its name.
func serverOf(app *v1alpha1.Application) string {
	if app.Spec.Destination.Server != "" {
		return app.Spec.Destination.Server
	}
	return app.Spec.Destination.Name
}

// mainSource is the source that one-line summaries show.
func mainSource(app *v1alpha1.Application) v1alpha1.ApplicationSource {
	if sources := app.Spec.GetSources(); len(sources) > 0 {
		return sources[0]
	}
	return v1alpha1.ApplicationSource{}
}
