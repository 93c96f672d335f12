//! Hooks on the way of a call: before anything leaves, and before the answer goes on. What a user is asked to connect comes before
//! them: hooks hear of calls that have all they need.

use std::sync::Arc;

use serde_json::{Map, Value, value::RawValue};

use super::{
    Gateways,
    access::Principal,
    admit::{Held, Permit},
    call::{CallError, Called},
    hooked_answer::After,
    offered::{asker, is_asked_about, metadata, written},
};
use crate::{
    base::secret::Secret,
    config::Config,
    hooks,
    protocol::{
        arcade::hook::{CallAuthorization, CallContext, CallOAuth2},
        arcade::invoke::{Invoked, ToolError, ToolOutput, kind},
        members::{Members, is_unambiguous},
    },
    provider::Account,
    upstream::ToolCall,
};

impl Gateways {
    /// Whether hooks have a say about this call.
    pub(super) fn is_hooked(config: &Config, permit: &Permit) -> bool {
        config.hooks.are_about_calls() && is_asked_about(&permit.tool)
    }

    /// Calls as [`Gateways::perform`] does, with what hooks let pass and put in place.
    ///
    /// # Errors
    /// See [`CallError`]. A hook's no is an answer.
    pub(super) async fn call_hooked(
        &self,
        config: &Arc<Config>,
        principal: &Principal,
        mut permit: Permit,
        call: ToolCall<'_>,
    ) -> Result<Called, CallError> {
        let execution_id = match call.execution_id {
            "" => format!("te_{}", self.entropy.handle()),
            given => given.to_owned(),
        };
        let nothing = Members::default().to_raw();
        let inputs = call.arguments.unwrap_or(&nothing);
        if !is_unambiguous(inputs) {
            return Ok(Called::Invoked(Box::new(ambiguous())));
        }
        let about = about(&permit, principal, execution_id.clone());
        let asker = asker(config, principal);
        let changes = match self.hooks.pre(asker, &about, inputs).await {
            Ok(changes) => changes,
            Err(denial) => return Ok(Called::Invoked(Box::new(denial.invoked()))),
        };
        put_secrets(&mut permit, changes.secrets);
        let inputs: Box<RawValue> = changes.inputs.unwrap_or_else(|| inputs.to_owned());
        let call = ToolCall {
            arguments: Some(inputs.as_ref()),
            execution_id: &execution_id,
            ..call
        };
        let called = self.perform(config, principal, permit, call).await?;
        let after = After {
            hooks: self.hooks.clone(),
            config: Arc::clone(config),
            principal: principal.clone(),
            call: about,
            inputs: inputs.clone(),
        };
        Ok(match called {
            Called::Reply(reply) => Called::Reply(
                reply.before_it_ends(Box::new(|outcome| Box::pin(after.outcome(outcome)))),
            ),
            Called::Invoked(invoked) => Called::Invoked(Box::new(after.invoked(*invoked).await)),
            asked @ (Called::Connected | Called::NeedsUser(_)) => asked,
        })
    }
}

fn about(permit: &Permit, principal: &Principal, execution_id: String) -> hooks::Call {
    let tool = &permit.tool;
    let authorization = permit.held.iter().map(|held| CallAuthorization {
        provider_id: held.provider.to_string(),
        oauth2: CallOAuth2 {
            scopes: held.token.scopes.iter().map(str::to_owned).collect(),
            user_info: account_of(held),
        },
    });
    let told = &permit.caller.context;
    let secrets = told.secrets.iter().map(|(name, _)| name.clone());
    let facts = told.metadata.iter();
    let facts = facts.map(|(name, fact)| (name.clone(), Value::from(fact.as_str())));
    hooks::Call {
        written: written(tool),
        toolkit: tool.qualified.toolkit.clone(),
        name: tool.qualified.name.clone(),
        version: tool.version().unwrap_or_default().to_owned(),
        metadata: metadata(tool),
        execution_id,
        context: CallContext {
            authorization: authorization.collect(),
            secrets: secrets.collect(),
            metadata: facts.collect(),
            user_id: principal.program_user().map(str::to_owned),
        },
    }
}

/// Hooks could be shown something else than what the tool takes them for.
fn ambiguous() -> Invoked {
    let error = ToolError {
        kind: kind::BAD_INPUT_VALUE.to_owned(),
        message:
            "The arguments have a name twice, so it is not clear what is meant: write each once."
                .to_owned(),
        can_retry: true,
        ..ToolError::default()
    };
    let output = ToolOutput {
        error: Some(error),
        ..ToolOutput::default()
    };
    Invoked {
        output: Some(output),
        ..Invoked::default()
    }
}

/// Others have nowhere to put them.
fn put_secrets(permit: &mut Permit, put: Vec<(String, Secret)>) {
    if permit.tool.definition().is_none() {
        return;
    }
    let secrets = &mut permit.caller.context.secrets;
    for (name, secret) in put {
        secrets.retain(|(known, _)| *known != name);
        secrets.push((name, secret));
    }
}

fn account_of(held: &Held) -> Map<String, Value> {
    let account = held.token.info.as_deref();
    account.map(Account::claims).unwrap_or_default()
}
