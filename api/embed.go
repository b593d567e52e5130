// Package api holds the contracts of Stavka: the HTTP APIs of the two services and the messages
// between them. They are written by hand; code is generated from them (see codegen) or checked
// against them.
package api

import _ "embed" // for the contracts

// BetMaker is the OpenAPI 3.0.3 document of bet-maker, in YAML.
//
//go:embed betmaker.yaml
var BetMaker []byte

// LineProvider is the OpenAPI 3.0.3 document of line-provider, in YAML.
//
//go:embed lineprovider.yaml
var LineProvider []byte

// LineMessages is the AsyncAPI 3.0.0 document of the messages that line-provider
// sends to bet-maker, in YAML.
//
//go:embed line-messages.yaml
var LineMessages []byte
