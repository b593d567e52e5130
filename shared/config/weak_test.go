package config_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"stavka.local/shared/config"
)

// judged reads the variables in both environments and returns how the first of them is weak, "" for not at
// all. Production refuses exactly what development warns of.
func judged(t *testing.T, read func(*config.Reader), variables map[string]string) string {
	t.Helper()
	development := reader(variables)
	read(development)
	if err := development.Err(); err != nil {
		t.Errorf("in development: %v", err)
	}
	inProduction := map[string]string{"STAVKA_ENV": "production"}
	maps.Copy(inProduction, variables)
	production := reader(inProduction)
	read(production)
	if len(production.Warnings()) > 0 {
		t.Errorf("warnings in production: %q", production.Warnings())
	}
	warnings := development.Warnings()
	var refused []string
	if err := production.Err(); err != nil {
		refused = strings.Split(err.Error(), "\n")
	}
	if len(warnings) != len(refused) {
		t.Fatalf("warnings %q, refused %q", warnings, refused)
	}
	for i, warning := range warnings {
		if want := strings.Replace(warning, " ", ": ", 1) + ", which STAVKA_ENV=production refuses"; refused[i] != want {
			t.Errorf("refused %q, want %q", refused[i], want)
		}
		for _, value := range variables {
			if value != "" && strings.Contains(warning, value) {
				t.Errorf("a secret is shown in %q", warning)
			}
		}
	}
	return strings.Join(warnings, "; ")
}

func TestSecretsThatAreEasyToGuess(t *testing.T) {
	t.Parallel()
	const good = ""
	for _, tt := range []struct {
		value     string
		minLength int
		want      string
	}{
		{"sh0rt", 8, "KEY is shorter than 8 characters"},
		{"PassWord1", 8, "KEY is one that everybody knows"},
		{"ｐａｓｓｗｏｒｄ", 8, "KEY is one that everybody knows"},
		{"not-a-secret", 8, "KEY is one that everybody knows"},
		{strings.ToUpper(config.DefaultServiceToken), 32, "KEY is one that everybody knows"},
		{"postgres", 8, "KEY is one that everybody knows"},
		{"zqzqzqzqz", 8, "KEY repeats itself"},
		{strings.Repeat("-", 32), 32, "KEY repeats itself"},
		{strings.Repeat("0", 64), 32, "KEY repeats itself"},
		{strings.Repeat("change-me!", 4), 32, "KEY repeats itself"},
		{"passwordPasswordpasswordpassword", 32, "KEY repeats itself"},
		{"abababbababaabbabababbababaabbabab", 32, "KEY repeats itself"},
		{"hijklmnopqrstu", 8, "KEY counts up or down"},
		{"abcdefghijklmnopqrstuvwxyz9876543210", 32, "KEY counts up or down"},
		{"0123456789abcdef0123456789abcdef", 32, good}, // the tests use it
		{"k3-Vd0qq-71xLm", 8, good},
		{"the lamp is green", 8, good},
		{"f2f5d4bb5a3a1d3c0f8a4e6b7c9d8e1f", 32, good},
	} {
		got := judged(t, func(r *config.Reader) { r.Secret("KEY", "", tt.minLength, "") }, map[string]string{"KEY": tt.value})
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.value, got, tt.want)
		}
		got = judged(t, func(r *config.Reader) { r.SecretList("KEY", "", tt.minLength, "") }, map[string]string{"KEY": "k3-Vd0qq-71xLm-9uu-wPz84-asdl-kq, " + tt.value})
		if got != tt.want {
			t.Errorf("%q in a list: got %q, want %q", tt.value, got, tt.want)
		}
	}
	optional := func(r *config.Reader) { r.OptionalSecret("KEY", 8, "") }
	for value, want := range map[string]string{"": "", "redis": "KEY is one that everybody knows", "password": "KEY is one that everybody knows", "k3-Vd": "KEY is shorter than 8 characters"} {
		if got := judged(t, optional, map[string]string{"KEY": value}); got != want {
			t.Errorf("optional %q: got %q, want %q", value, got, want)
		}
	}
}

func TestBusURLsInOtherSpellings(t *testing.T) {
	t.Parallel()
	const known = "RABBITMQ_URL holds a password that everybody knows"
	for url, want := range map[string]string{
		"amqp://host/":                          known, // the library fills in guest and guest
		"amqp://":                               known,
		"amqp:///":                              known,
		"amqps://host":                          known,
		"amqp://guest@host/":                    known,
		"amqp://bets@host/":                     known,
		"amqp://guest:guest@host/":              known,
		"amqp://guest:gu%65st@host/":            known,
		"amqp://guest:%67%75%65%73%74@host":     known,
		"amqp://guest:GUEST@host/":              known,
		"amqp://bets:guest@host/":               known,
		"amqp://bets:pass%77ord@host/":          known,
		"amqp://guest:@host/":                   "RABBITMQ_URL holds no password",
		"amqp://:@host/":                        "RABBITMQ_URL holds no password",
		"amqp://stavka-bets:stavka%2dBets@host": "RABBITMQ_URL holds a password that is the user's name",
		"amqp://bets:q8-Zr@host/":               "RABBITMQ_URL holds a password that is shorter than 8 characters",
		"amqp://bets:qxqxqxqxqx@host/":          "RABBITMQ_URL holds a password that repeats itself",
		"amqp://bets:hijklmnop@host/":           "RABBITMQ_URL holds a password that counts up or down",
		"amqp://guest:q8-Zr_11p@host/":          "",
		"amqp://bets:p%40ss%2Fq8-Zr@host/vhost": "",
		"amqps://host/?auth_mechanism=EXTERNAL&certfile=/c.pem&keyfile=/k.pem": "",
		"amqps://host/?auth_mechanism=EXTERNAL&auth_mechanism=PLAIN":           known,
	} {
		if got := judged(t, func(r *config.Reader) { r.Bus() }, map[string]string{"RABBITMQ_URL": url}); got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
}

func TestPasswordsInAnyURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://line:8001/events":                    "",
		"http://me@line:8001/events":                 "",
		"http://me:long-and-hidden@line:8001/events": "",
		"http://me:pa%73sword@line:8001/events":      "LINE holds a password that everybody knows",
		"http://me:me@line:8001/events":              "LINE holds a password that is the user's name",
	} {
		got := judged(t, func(r *config.Reader) { r.URL("LINE", "", []string{"http"}, "") }, map[string]string{"LINE": url})
		if got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	wide := make([]string, 0, 256)
	for i := range 256 {
		wide = append(wide, fmt.Sprintf("%d.0.0.0/8", i))
	}
	for text, weak := range map[string]bool{
		"":                         false,
		"10.0.0.0/8,172.16.0.0/12": false,
		"10.0.0.0/8,10.0.0.0/8,10.1.0.0/16,127.0.0.0/8,192.168.0.0/16,169.254.0.0/16,100.64.0.0/10": false,
		strings.Repeat("10.0.0.0/8,", 50): false,
		"fd00::/8,fc00::/7,fe80::/10,::1": false,
		"0.0.0.0/0":                       true,
		"::/0":                            true,
		"1.2.3.4/0":                       true,
		"0.0.0.0/1,128.0.0.0/1":           true,
		"0.0.0.0/1":                       true,
		"10.0.0.0/8, 64.0.0.0/2":          true,
		"::/1,8000::/1":                   true,
		"2000::/3":                        true,
		"::ffff:0:0/96":                   true,
		"::ffff:0.0.0.0/97":               true,
		"0.0.0.0/2,64.0.0.0/2,128.0.0.0/2,192.0.0.0/2": true,
		strings.Join(wide, ","):                        true,
	} {
		variables := map[string]string{"PROXIES": text}
		if got := judged(t, func(r *config.Reader) { r.Networks("PROXIES", "") }, variables); (got != "") != weak {
			t.Errorf("%.80s: got %q, want weak: %t", text, got, weak)
		}
	}

	r := reader(map[string]string{"PROXIES": "::ffff:10.1.2.3, ::ffff:10.0.0.0/104,192.0.2.7/24"})
	if got := r.Networks("PROXIES", ""); r.Err() != nil || fmt.Sprint(got) != "[10.1.2.3/32 10.0.0.0/8 192.0.2.0/24]" {
		t.Errorf("got %v, %v", got, r.Err())
	}
	for _, text := range []string{"proxy.example.com", "10.0.0.0/33", "fe80::1%eth0", "10.0.0.0/8;11.0.0.0/8", "*"} {
		r := reader(map[string]string{"PROXIES": text})
		if r.Networks("PROXIES", ""); r.Err() == nil || !strings.HasPrefix(r.Err().Error(), "PROXIES: ") {
			t.Errorf("%s: %v", text, r.Err())
		}
	}
}
