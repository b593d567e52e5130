package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/compose-spec/compose-go/v2/cli"
	composetemplate "github.com/compose-spec/compose-go/v2/template"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/config"
	"stavka.local/stavka/internal/embedded"
)

//go:embed *.tmpl
var templates embed.FS

// firstManual are the names in the system's first manual, which users have in their files.
// They never change.
var firstManual = strings.Fields(`
	ALGORITHM CACHE_MAX_SIZE CACHE_TTL DATABASE_URL DB_ENGINE DB_HOST DB_NAME DB_PORT EVENT_URL FIRST_USER_EMAIL FIRST_USER_NAME
	FIRST_USER_PASSWORD FIRST_USER_USERNAME LINE_PROVIDER_TOKEN MAX_ID_KEY MINIMUM_EVENT_DURATION POSTGRES_PASSWORD POSTGRES_USER
	RABBITMQ_URL RABBIT_HOST RABBIT_PORT RABBIT_QUEUE REDIS_CONNECT_URL REDIS_HASH_NAME REDIS_PASSWORD SECRET_KEY
	TOKEN_EXPIRED_MINUTES`)

// examples are values for Compose of variables whose default does not show their form.
var examples = map[string]string{ //nolint:gosec // public defaults of Compose
	"DATABASE_URL":    "postgresql+asyncpg://postgres:postgres@manager_db:5432/stavka",
	"METRICS_ADDR":    ":9100",
	"RABBITMQ_URL":    "amqp://guest:guest@bet_rabbitmq:5672/",
	"TRUSTED_PROXIES": "10.0.0.0/8",
}

// composeOnly are the meanings of the variables that docker-compose.yml alone reads.
var composeOnly = map[string]string{
	"BETMAKER_PORT":         "The port of the host that bet-maker is published on.",
	"LINEPROVIDER_PORT":     "The port of the host that line-provider is published on.",
	"PUBLISH_ADDRESS":       "The address of the host that both services are published on; 0.0.0.0 for all. Set secrets of your own first.",
	"RABBITMQ_DEFAULT_USER": "The user that a new RabbitMQ is created with; RABBITMQ_URL must name the same.",
	"RABBITMQ_DEFAULT_PASS": "The password that a new RabbitMQ is created with; RABBITMQ_URL must hold the same.",
}

// variable is a setting with its value in Compose.
type variable struct {
	config.Setting

	Compose string // the default there if it differs
	Given   bool   // the first manual has it
}

// Example returns a value for a .env file that Compose reads.
func (v variable) Example() string { return cmp.Or(examples[v.Name], v.Compose, v.Default) }

// Comment returns the meaning as the lines of a comment.
func (v variable) Comment() string {
	text := v.Meaning
	if v.Accepts != "" {
		text += " Values: " + v.Accepts + "."
	}
	var lines []string
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > 100 {
			lines, line = append(lines, line), "#"
		}
		line += " " + word
	}
	return strings.Join(append(lines, line), "\n")
}

// page holds the data of the templates.
type page struct {
	Both, BetMaker, LineProvider, Compose []variable

	OneProcess []variable // whose default or meaning differs there
	NotRead    []string   // by the one-process program
}

// writeConfiguration writes docs/configuration.md and .env.example below a directory, from the
// settings that the programs declare and the defaults of docker-compose.yml.
func writeConfiguration(ctx context.Context, directory string) error {
	p, err := newPage(ctx)
	if err != nil {
		return err
	}
	name := regexp.MustCompile(`\b[A-Z]+(_[A-Z]+)+\b`)
	functions := template.FuncMap{
		"code": func(text string) string { return name.ReplaceAllString(text, "`$0`") },
		"join": strings.Join,
	}
	parsed, err := template.New("").Funcs(functions).ParseFS(templates, "*.tmpl")
	if err != nil {
		return err
	}
	for file, name := range map[string]string{"docs/configuration.md": "configuration.md.tmpl", ".env.example": "env.tmpl"} {
		var text bytes.Buffer
		if err := parsed.ExecuteTemplate(&text, name, p); err != nil {
			return err
		}
		if err := write(directory, file, text.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func newPage(ctx context.Context) (page, error) {
	options, err := cli.NewProjectOptions([]string{"docker-compose.yml"}, cli.WithInterpolation(false))
	if err != nil {
		return page{}, err
	}
	model, err := options.LoadModel(ctx)
	if err != nil {
		return page{}, err
	}
	inCompose := composetemplate.ExtractVariables(model, nil)
	known := make(map[string]bool)
	with := func(settings []config.Setting) []variable {
		var list []variable
		for _, s := range settings {
			known[s.Name] = true
			v := variable{Setting: s, Given: slices.Contains(firstManual, s.Name)}
			if d := inCompose[s.Name].DefaultValue; d != s.Default {
				v.Compose = d
			}
			list = append(list, v)
		}
		return list
	}

	maker, provider, both := betmaker.Settings(), lineprovider.Settings(), []config.Setting(nil)
	maker = slices.DeleteFunc(maker, func(s config.Setting) bool {
		shared := has(provider, s)
		if shared {
			both = append(both, s)
		}
		return shared
	})
	provider = slices.DeleteFunc(provider, func(s config.Setting) bool { return has(both, s) })
	p := page{Both: with(both), BetMaker: with(maker), LineProvider: with(provider)}

	services, own := slices.Concat(both, maker, provider), embedded.Settings()
	for _, s := range services {
		if !has(own, s) {
			p.NotRead = append(p.NotRead, s.Name)
		}
	}
	for _, s := range own {
		if !slices.Contains(services, s) {
			p.OneProcess = append(p.OneProcess, variable{Setting: s})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(inCompose)) {
		if known[name] {
			continue
		}
		p.Compose = append(p.Compose, variable{Setting: config.Setting{
			Name: name, Default: inCompose[name].DefaultValue, Meaning: composeOnly[name],
		}})
		if composeOnly[name] == "" {
			return page{}, fmt.Errorf("%s of docker-compose.yml has no meaning here", name)
		}
	}
	for _, name := range firstManual {
		if !known[name] {
			return page{}, fmt.Errorf("no program reads %s, which is in the first manual", name)
		}
	}
	return p, nil
}

func has(settings []config.Setting, s config.Setting) bool {
	return slices.ContainsFunc(settings, func(t config.Setting) bool { return t.Name == s.Name })
}
