package settings

import "testing"

func TestRemoteAddresses(t *testing.T) {
	b, problems := ParseBelay(map[string]string{KeyRemoteAllow: "# ours\nhttps://charts.example.com, https://git.example.com/team/**\n" +
		"git@git.example.com:team/*\nssh://git@git.example.com/team/*\noci://registry.example.com/charts\n[broken\n"})
	if len(problems) != 1 || problems[0].Line != 6 || problems[0].Key != KeyRemoteAllow {
		t.Errorf("problems %v", problems)
	}
	for address, want := range map[string]bool{
		"https://charts.example.com": true, "https://charts.example.com/": true, "https://CHARTS.example.com": true,
		"https://user:canary@charts.example.com": true, "https://charts.example.com?x=y": true, "http://charts.example.com": false,
		"https://charts.example.com/other": false, "https://charts.example.com.evil.test": false, "https://charts.example.com@evil.test": false,
		"https://git.example.com/team/a": true, "https://git.example.com/team/a/b.git": true, "https://git.example.com/other/a": false,
		"https://git.example.com/team/../other/a": false, "https://git.example.com/team/%2e%2e/other/a": false, "https://git.example.com/team/..%2fother": false,
		"https://git.example.com//team/a": false, "git@git.example.com:team/a": true, "git@git.example.com:team/../x": false,
		"ssh://git@git.example.com/team/a": true, "oci://registry.example.com/charts": true, "oci://registry.example.com/x": false, "": false, "team/a": false,
	} {
		if got := b.Remote.Allow(address); got != want {
			t.Errorf("Allow(%q) = %t, want %t", address, got, want)
		}
	}
	none, _ := ParseBelay(nil)
	if none.Remote.Allow("https://charts.example.com") {
		t.Error("an empty list allows something")
	}
}
