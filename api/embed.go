// Package api holds the contracts of Stavka, written by hand: what the two
// services answer over HTTP, and what they say to each other on the bus. All code
// at the edges is generated from them (see codegen) or checked against them.
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
