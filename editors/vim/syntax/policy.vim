" Policies of rustsocks.
if exists('b:current_syntax')
  finish
endif

syntax match policyComment "#.*$" contains=@Spell
syntax region policyString start=+"+ skip=+\\.+ end=+"+ oneline
syntax match policyRegex "/[^/ ]\+/"
syntax match policySet "@[A-Za-z0-9_.-]\+"
syntax match policyKey "\<[a-z.]\+\ze:\(\s\|$\)"
syntax match policyNumber "\<[0-9][0-9.:/-]*\>"
syntax keyword policyStatement policy default set ports group time include lint test client socks
syntax keyword policyStatement never always from nextgroup=policyString skipwhite
syntax keyword policyPass pass allow
syntax keyword policyBlock block
syntax keyword policyNot not except
syntax keyword policyValue any any4 any6 none name literal connect bind udpassociate bindreply udpreply
syntax keyword policyValue tcp udp socks4 socks5 http password certificate gssapi

highlight default link policyComment Comment
highlight default link policyString String
highlight default link policyRegex String
highlight default link policySet Identifier
highlight default link policyKey Type
highlight default link policyNumber Number
highlight default link policyStatement Keyword
highlight default link policyPass Function
highlight default link policyBlock Exception
highlight default link policyNot Operator
highlight default link policyValue Constant

let b:current_syntax = 'policy'
