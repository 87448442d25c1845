package audit

// Event is an activity as Kubernetes' events tell it. Reasons are those of Argo CD.
type Event struct{ Reason, Message string }

// EventOf returns the event that an activity is told by; false when it is told by none: what failed or was refused changed
// nothing, and the end of an operation is told by the controller.
func EventOf(a *Activity) (Event, bool) {
	if a.Application == "" {
		return Event{}, false
	}
	who := a.Actor
	if who == "" {
		who = "Unknown user"
	}
	if a.Actor != "" && a.Outcome == Success {
		switch a.Kind {
		case KindCreate:
			return Event{"ResourceCreated", who + " " + a.Text}, true
		case KindSettings, KindTerminate:
			return Event{"ResourceUpdated", who + " " + a.Text}, true
		case KindDelete:
			return Event{"ResourceDeleted", who + " " + a.Text}, true
		case KindAction:
			return Event{"ResourceActionRan", who + " " + a.Text}, true
		}
	}
	switch {
	case a.Kind == KindSync && a.Outcome == "": // it has begun, whoever asked for it
		return Event{"OperationStarted", who + ": " + a.Text}, true
	case a.Kind == KindDrift, a.Kind == KindHealth:
		return Event{"ResourceUpdated", a.Text}, true
	}
	return Event{}, false
}
