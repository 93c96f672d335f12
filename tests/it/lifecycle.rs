//! `gateway.toml` changes under a running gateway.

use std::{
    io::Read,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anteroom::{base::secret::TokenHash, config::Era};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{client::Client, log::Log, world::World};

#[tokio::test]
async fn a_change_takes_effect_on_the_next_request() {
    let mut world = World::start().await;
    let alice = world.client("alice");
    assert_eq!(
        alice.request("server/discover", json!({})).await.status,
        StatusCode::OK
    );
    world.rewrite("Be brief.", "Read before you write.").await;
    let answer = alice.request("server/discover", json!({})).await;
    assert!(
        answer.text.contains("Read before you write."),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn an_inactive_gateway_answers_as_one_that_never_was() {
    let mut world = World::start().await;
    let never = Client::new(&format!("{}/mcp/never", world.base), "arc_x", "alice");
    world
        .rewrite("[gateways.work]", "[gateways.work]\nstatus = \"inactive\"")
        .await;
    let inactive = world.client("alice").request("tools/list", json!({})).await;
    let never = never.request("tools/list", json!({})).await;
    assert_eq!(inactive.status, StatusCode::NOT_FOUND);
    assert_eq!(inactive.text, never.text);
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_one_running_and_says_why_once() {
    let log = Log::listen();
    let mut world = World::start().await;
    world.rewrite("[gateways.work]", "[gatewyas.work]").await;
    world.look().await;
    assert_eq!(
        log.text().matches("was refused, the old one stays").count(),
        1
    );
    assert!(log.text().contains("gatewyas"), "the problem is named");
    let answer = world.client("alice").request("tools/list", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK);
    world.reload().await.expect_err("still bad");
    world.rewrite("[gatewyas.work]", "[gateways.work]").await;
    world.reload().await.unwrap();
}

#[tokio::test]
async fn an_inactive_user_source_is_refused_while_gateways_use_it_and_they_are_named() {
    let mut world = World::start().await;
    let file = world.directory.path().join("gateway.toml");
    world
        .rewrite(
            "[user_sources.team]",
            "[user_sources.team]\nstatus = \"inactive\"",
        )
        .await;
    let problems = world.reload().await.unwrap_err().to_string();
    assert!(problems.contains("user_sources.team.status"), "{problems}");
    assert!(
        problems.contains("gateway `work`"),
        "{problems} {}",
        file.display()
    );
    let answer = world.client("alice").request("tools/list", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "the old file stays in force");
}

#[tokio::test]
async fn a_secret_rotated_in_its_own_file_is_taken_without_a_restart() {
    let more = "\n[api_keys.rotated]\nhash = \"${file:rotated.hash}\"\nuser_source = \"team\"\n";
    let hash = |key: &str| String::from(TokenHash::of(key));
    let mut world = World::with(Era::Modern, "").await;
    let file = world.directory.path().join("rotated.hash");
    std::fs::write(&file, hash("arc_old")).unwrap();
    world
        .rewrite("[gateways.work]", &format!("{more}[gateways.work]"))
        .await;
    let client = |key: &str| Client::new(&world.endpoint(), key, "alice");
    let status = async |key: &str| client(key).request("tools/list", json!({})).await.status;
    assert_eq!(status("arc_old").await, StatusCode::OK);

    std::fs::write(&file, hash("arc_new")).unwrap();
    world.look().await;
    assert_eq!(status("arc_new").await, StatusCode::OK);
    assert_eq!(status("arc_old").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_needs_a_restart_stays_and_the_log_says_so() {
    let log = Log::listen();
    let mut world = World::start().await;
    let public = format!("public_url = \"{}\"", world.base);
    world
        .rewrite(&public, "public_url = \"https://elsewhere.example\"")
        .await;
    assert!(
        log.text()
            .contains(r#"needs_restart=["server.public_url"]"#)
    );
    let answer = world.client("alice").request("tools/list", json!({})).await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "Host and links are as before"
    );
}

/// The program itself, with its operators' listener.
struct Program {
    child: Child,
    public: String,
    admin: String,
}

impl Program {
    async fn start(folder: &std::path::Path) -> Self {
        let free = || {
            TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
        };
        let (public, admin) = (free(), free());
        let toml = include_str!("../../gateway.toml");
        let server = format!(
            "[server]\nlisten = \"{public}\"\nadmin_listen = \"{admin}\"\npublic_url = \"http://{public}\""
        );
        std::fs::write(
            folder.join("gateway.toml"),
            toml.replacen("[server]", &server, 1),
        )
        .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
            .arg("serve")
            .current_dir(folder)
            .env_remove("ANTEROOM_CONFIG")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let program = Self {
            child,
            public: format!("http://{public}"),
            admin: format!("http://{admin}"),
        };
        for _ in 0..200 {
            if reqwest::get(format!("{}/healthz", program.admin))
                .await
                .is_ok()
            {
                return program;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the program does not come up");
    }

    fn hang_up(&self) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args(["-HUP", &id]).status().unwrap();
        assert!(done.success());
    }

    fn log(mut self) -> String {
        self.child.kill().unwrap();
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        self.child.wait().unwrap();
        log
    }
}

#[tokio::test]
async fn the_program_reloads_when_told_and_counts_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path()).await;
    let http = reqwest::Client::new();
    let metrics = async || {
        let answer = http.get(format!("{}/metrics", program.admin)).send().await;
        answer.unwrap().text().await.unwrap()
    };
    let reload = || http.post(format!("{}/admin/reload", program.admin));
    assert_eq!(
        reload().send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    let page = reload()
        .header("origin", "https://evil.example")
        .send()
        .await;
    assert_eq!(page.unwrap().status(), StatusCode::FORBIDDEN);

    let file = folder.path().join("gateway.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        good.replace("[gateways.work]", "[gateways.work]\ncolour = 1"),
    )
    .unwrap();
    let refused = reload().send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused
            .text()
            .await
            .unwrap()
            .contains("gateways.work.colour")
    );
    std::fs::write(&file, good).unwrap();
    program.hang_up();
    for _ in 0..100 {
        if metrics()
            .await
            .contains(r#"anteroom_reloads_total{outcome="taken"} 2"#)
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let counted = metrics().await;
    assert!(
        counted.contains(r#"anteroom_reloads_total{outcome="taken"}"#),
        "{counted}"
    );
    assert!(
        counted.contains(r#"anteroom_reloads_total{outcome="refused"}"#),
        "{counted}"
    );
    let public = reqwest::get(format!("{}/metrics", program.public)).await;
    assert_eq!(
        public.unwrap().status(),
        StatusCode::NOT_FOUND,
        "not for everybody"
    );
    assert!(program.log().contains("is in force"));
}
