package e2e

import (
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/config"
	"stavka.local/stavka/e2e/system"
)

// TestComposeFile checks the Compose file; `make test-compose` runs it.
func TestComposeFile(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	services := []string{"bet_maker", "line_provider"}
	servers := map[string]string{
		"manager_db": `^postgres:17\.\d+-alpine`, "line_redis": `^redis:8\.\d+\.\d+-alpine`, "bet_rabbitmq": `^rabbitmq:4\.\d+\.\d+-management-alpine`,
	}

	t.Run("it has these services", func(t *testing.T) {
		want := append(slices.Sorted(maps.Keys(servers)), services...)
		slices.Sort(want)
		if got := slices.Sorted(slices.Values(project.ServiceNames())); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		for name, image := range servers {
			if got := project.Services[name].Image; !regexp.MustCompile(image + `(@sha256:[0-9a-f]{64})?$`).MatchString(got) {
				t.Errorf("%s runs %s, want %s", name, got, image)
			}
		}
	})
	t.Run("every service has a health check, a restart policy and no new privileges", func(t *testing.T) {
		for name, service := range project.Services {
			if service.HealthCheck == nil || len(service.HealthCheck.Test) == 0 || service.HealthCheck.Disable {
				t.Errorf("%s has no health check", name)
			}
			if service.Restart != types.RestartPolicyUnlessStopped {
				t.Errorf("%s restarts %q", name, service.Restart)
			}
			if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
				t.Errorf("%s may gain privileges", name)
			}
		}
	})
	t.Run("only 8000 and 8001 are published, and only to this machine", func(t *testing.T) {
		if got, want := published(project), map[string]string{"127.0.0.1:8000": "bet_maker", "127.0.0.1:8001": "line_provider"}; !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("one variable publishes both elsewhere", func(t *testing.T) {
		elsewhere := loadCompose(t, "PUBLISH_ADDRESS=192.0.2.1")
		if got, want := published(elsewhere), map[string]string{"192.0.2.1:8000": "bet_maker", "192.0.2.1:8001": "line_provider"}; !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("our services wait for healthy servers, and not for each other", func(t *testing.T) {
		want := map[string][]string{"bet_maker": {"bet_rabbitmq", "manager_db"}, "line_provider": {"bet_rabbitmq", "line_redis"}}
		for _, name := range services {
			depends := project.Services[name].DependsOn
			if got := slices.Sorted(maps.Keys(depends)); !slices.Equal(got, want[name]) {
				t.Errorf("%s waits for %v, want %v", name, got, want[name])
			}
			for server, condition := range depends {
				if condition.Condition != types.ServiceConditionHealthy {
					t.Errorf("%s waits for %s to be %q", name, server, condition.Condition)
				}
			}
		}
	})
	t.Run("containers write only to volumes and memory, with bounds and the fewest capabilities", func(t *testing.T) {
		allowed := map[string][]string{
			"manager_db":   {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
			"line_redis":   {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETPCAP", "SETUID"},
			"bet_rabbitmq": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
		}
		for name, service := range project.Services {
			if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Equal(service.CapAdd, allowed[name]) || service.Privileged {
				t.Errorf("%s: read only %t, capabilities dropped %v, added %v", name, service.ReadOnly, service.CapDrop, service.CapAdd)
			}
			if service.MemLimit <= 0 || service.PidsLimit <= 0 {
				t.Errorf("%s: at most %d bytes of memory and %d processes, want bounds", name, service.MemLimit, service.PidsLimit)
			}
		}
	})
	t.Run("no secret is on a command line", func(t *testing.T) {
		marked := loadCompose(t, "REDIS_PASSWORD=hush", "POSTGRES_PASSWORD=hush", "RABBITMQ_DEFAULT_PASS=hush", "SECRET_KEY=hush", "LINE_PROVIDER_TOKEN=hush")
		for name, service := range marked.Services {
			line := slices.Concat(service.Entrypoint, service.Command)
			if service.HealthCheck != nil {
				line = append(line, service.HealthCheck.Test...)
			}
			if strings.Contains(strings.Join(line, " "), "hush") {
				t.Errorf("%s runs %q", name, line)
			}
		}
	})
	t.Run("the data of the servers outlives their containers", func(t *testing.T) {
		for server := range servers {
			volumes := project.Services[server].Volumes
			if len(volumes) != 1 || volumes[0].Type != types.VolumeTypeVolume || project.Volumes[volumes[0].Source].Name == "" {
				t.Errorf("%s keeps its data in %+v, want one named volume", server, volumes)
			}
		}
	})
	t.Run("the line is on disk before it is acknowledged", func(t *testing.T) {
		command := strings.Join(project.Services["line_redis"].Command, " ")
		for _, option := range []string{"--appendonly yes", "--appendfsync always", "requirepass "} {
			if !strings.Contains(command, option) {
				t.Errorf("Redis runs as %q, want %s", command, option)
			}
		}
	})
}

// TestComposePassesEveryVariable checks the variables that the Compose file passes to the
// services against those that the services declare.
func TestComposePassesEveryVariable(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	for name, service := range map[string]struct {
		settings []config.Setting
		check    func(lookup func(string) (string, bool)) error
		defaults []string // in which Compose differs, because another host or a secret is there
	}{
		"bet_maker": {
			betmaker.Settings(),
			func(lookup func(string) (string, bool)) error { _, err := betmaker.ConfigFromEnv(lookup); return err },
			[]string{"DB_HOST", "DB_NAME", "EVENT_URL", "RABBIT_HOST", "SECRET_KEY"},
		},
		"line_provider": {
			lineprovider.Settings(),
			func(lookup func(string) (string, bool)) error {
				_, err := lineprovider.ConfigFromEnv(lookup)
				return err
			},
			[]string{"LINEPROVIDER_ADDR", "RABBIT_HOST", "REDIS_CONNECT_URL", "REDIS_PASSWORD"},
		},
	} {
		environment := project.Services[name].Environment
		var declared, differ []string
		for _, s := range service.settings {
			declared = append(declared, s.Name)
			if value := environment[s.Name]; value != nil && *value != s.Default {
				differ = append(differ, s.Name)
			}
		}
		slices.Sort(declared)
		slices.Sort(differ)
		if passed := slices.Sorted(maps.Keys(environment)); !slices.Equal(passed, declared) {
			t.Errorf("%s is passed\n%v, but reads\n%v", name, passed, declared)
		}
		if !slices.Equal(differ, service.defaults) {
			t.Errorf("%s has other defaults of %v, want of %v", name, differ, service.defaults)
		}
		if err := service.check(func(name string) (string, bool) {
			value := environment[name]
			if value == nil {
				return "", false
			}
			return *value, true
		}); err != nil {
			t.Errorf("%s refuses its environment: %v", name, err)
		}
	}
}

// published returns the services by the addresses of the host that they are published on.
func published(project *types.Project) map[string]string {
	services := make(map[string]string)
	for name, service := range project.Services {
		for _, port := range service.Ports {
			services[net.JoinHostPort(port.HostIP, port.Published)] = name
		}
	}
	return services
}

// loadCompose reads the Compose file as `docker compose` would with these variables alone.
func loadCompose(t *testing.T, variables ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(system.Root(), "docker-compose.yml")}, cli.WithEnv(variables))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}
